//! `sandboxer exec`: run a command in a sandbox.

use super::{Session, streams, terminal};
use crate::error::CommandResult;
use clap::Args;
use sandboxer_types::TimeSpan;
use std::process::ExitCode;

/// What `exec` takes.
#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    /// Hand over the standard input
    #[arg(long, short)]
    interactive: bool,
    /// Give it a terminal
    #[arg(long, short)]
    tty: bool,
    /// Set a variable; repeatable
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = super::request::key_value)]
    env: Vec<(String, String)>,
    /// Directory to run in
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// User to run as
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// End the command after this time
    #[arg(long, value_name = "DURATION")]
    timeout: Option<TimeSpan>,
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Runs it, and ends with its status.
pub(crate) async fn exec(session: &Session<'_>, arguments: ExecArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let entrance = session.control().enter(&id).await?;
    let mut request = streams::request(&entrance, arguments.command);
    request.env.extend(arguments.env);
    request.user = arguments.user;
    request.timeout = arguments.timeout.map(TimeSpan::as_duration);
    request.stdin = arguments.interactive;
    if let Some(workdir) = arguments.workdir {
        request.cwd = Some(workdir);
    }
    if arguments.tty {
        terminal::run(session, &entrance, request).await
    } else {
        streams::run(session, &entrance, request).await
    }
}
