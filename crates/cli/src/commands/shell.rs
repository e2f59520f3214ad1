//! `sandboxer shell`: a shell in a sandbox.

use super::{Session, streams, terminal};
use crate::error::CommandResult;
use clap::Args;
use sandboxer_reach::ReachErrorKind;
use std::io::IsTerminal;
use std::process::ExitCode;

/// What `shell` takes.
#[derive(Debug, Args)]
pub(crate) struct ShellArguments {
    /// User to be
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
}

/// Opens it: bash where there is one, else sh.
pub(crate) async fn shell(session: &Session<'_>, arguments: ShellArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let entrance = session.control().enter(&id).await?;
    let has_bash = match entrance.session.stat("/bin/bash".as_ref(), None).await {
        Ok(_) => true,
        // Where nobody can tell, there is at least that one.
        Err(error) if matches!(error.kind(), ReachErrorKind::NotFound | ReachErrorKind::Unsupported) => false,
        Err(error) => return Err(error.into()),
    };
    let shell = if has_bash { "/bin/bash" } else { "/bin/sh" };
    let mut request = streams::request(&entrance, vec![shell.to_owned(), "-l".to_owned()]);
    request.user = arguments.user;
    request.stdin = true;
    if std::io::stdin().is_terminal() {
        terminal::run(session, &entrance, request).await
    } else {
        streams::run(session, &entrance, request).await
    }
}
