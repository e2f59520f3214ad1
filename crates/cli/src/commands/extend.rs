//! `sandboxer extend`: let a sandbox live for a while from now.

use super::Session;
use crate::error::CommandResult;
use clap::Args;
use sandboxer_types::TimeSpan;
use std::process::ExitCode;

/// What `extend` takes.
#[derive(Debug, Args)]
pub(crate) struct ExtendArguments {
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
    /// How long from now, such as `2h`
    duration: TimeSpan,
}

/// Moves the lease.
pub(crate) async fn extend(session: &Session<'_>, arguments: &ExtendArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let status = session.control().extend(&id, arguments.duration).await?;
    Ok(session.output.data(&status, || format!("{} expires at {}", status.sandbox_id, status.expires_at)))
}
