//! `sandboxer create`: make a sandbox and leave it there.

use super::Session;
use super::request::RequestArguments;
use crate::error::CommandResult;
use clap::Args;
use sandboxer_types::SandboxId;
use std::process::ExitCode;

/// What `create` takes.
#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// Which profile
    profile: String,
    #[command(flatten)]
    request: RequestArguments,
    /// The id to give it, instead of a fresh one
    #[arg(long, value_name = "ID")]
    id: Option<SandboxId>,
    /// Repeating a request under the same key finds the first one's sandbox
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Return once its making is under way
    #[arg(long)]
    no_wait: bool,
}

/// Makes it, and prints its id.
pub(crate) async fn create(session: &Session<'_>, arguments: CreateArguments) -> CommandResult<ExitCode> {
    let mut request = arguments.request.request(&arguments.profile, &session.config)?;
    request.sandbox_id = arguments.id;
    request.idempotency_key = arguments.idempotency_key;
    session.tidy().await;
    let status = session.control().create(request, !arguments.no_wait, &session.context()).await?;
    session.progress.clear();
    for condition in &status.conditions {
        session.output.note(&format!("{}: {}", condition.kind, condition.detail));
    }
    Ok(session.output.data(&status, || status.sandbox_id.to_string()))
}
