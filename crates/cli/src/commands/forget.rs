//! `sandboxer forget`: close the record of a sandbox that cannot be removed.

use super::Session;
use crate::config::consumer;
use crate::error::CommandResult;
use clap::Args;
use std::process::ExitCode;

/// What `forget` takes.
#[derive(Debug, Args)]
pub(crate) struct ForgetArguments {
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    note: String,
}

/// Closes it.
pub(crate) async fn forget(session: &Session<'_>, arguments: &ForgetArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let note = format!("{}: {}", consumer(None)?, arguments.note);
    let status = session.control().forget(&id, &note).await?;
    session.output.note("what may be left of it is no longer sand-boxer's to remove");
    Ok(session.output.data(&status, || format!("{} {}", status.sandbox_id, status.state)))
}
