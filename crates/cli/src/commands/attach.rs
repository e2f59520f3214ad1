//! `sandboxer attach`: follow a command that runs already.

use super::joined::{HELD, Joined};
use super::{Session, naming, streams, terminal};
use crate::error::{CommandError, CommandResult};
use crate::ui::text::harmless;
use clap::Args;
use sandboxer_reach::{Pace, ReachError, ReachErrorKind};
use sandboxer_types::{ErrorKind, Failure, Residue, SandboxId};
use std::io::IsTerminal;
use std::process::ExitCode;

/// What `attach` takes.
#[derive(Debug, Args)]
pub(crate) struct AttachArguments {
    /// Hand over the standard input
    #[arg(long, short)]
    interactive: bool,
    /// Begin with this byte of the command's output; all that is kept otherwise
    #[arg(long, value_name = "OFFSET", default_value_t = 0, hide_default_value = true)]
    from: u64,
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
    /// The command's name, or its process id inside
    command: String,
}

/// Follows it, and ends with its status. Signals go to it.
pub(crate) async fn attach(session: &Session<'_>, arguments: &AttachArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let joined = join(session, &id, &arguments.command, arguments.from, HELD).await?;
    session.progress.clear();
    if joined.has_terminal() && arguments.interactive && std::io::stdin().is_terminal() {
        terminal::fit(&joined).await?;
        terminal::follow(session, joined, true).await
    } else {
        streams::follow(session, joined, arguments.interactive).await
    }
}

/// The command of that name, from that byte of its output on.
pub(super) async fn join<'a>(
    session: &'a Session<'a>,
    id: &SandboxId,
    command: &str,
    from: u64,
    pace: Pace,
) -> CommandResult<Joined<'a>> {
    let entrance = session.control().enter(id).await?;
    let execution = entrance.session.attach(&naming::selector(command), Some(from), pace).await;
    let execution = execution.map_err(|error| missing(error, id, command))?;
    Ok(Joined::new(session, id.clone(), execution, pace))
}

/// Where to look for a command that is not there.
pub(super) fn missing(error: ReachError, id: &SandboxId, command: &str) -> CommandError {
    if error.kind() != ReachErrorKind::NotFound {
        return error.into();
    }
    Failure::new(ErrorKind::NotFound, format!("no command `{}` in `{id}`", harmless(command)))
        .with_residue(Residue::Present)
        .with_hint(format!("`sandboxer ps {id}` lists the commands"))
        .into()
}
