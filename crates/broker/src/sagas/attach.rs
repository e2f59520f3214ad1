//! The last step of a create: the profile's set-up commands, run through the agent.

use crate::control::Context;
use crate::engine::{Broker, Placement};
use crate::journal::{Change, Journal};
use crate::state::{Record, Step};
use futures::future::{Either, select};
use sandboxer_reach::{ExecEvent, ExecRequest, Session};
use sandboxer_sdk::{CallSink, LogLevel, Progress};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::sync::Arc;

impl Broker {
    /// Runs the profile's set-up commands and calls the sandbox ready.
    pub(super) async fn attach(
        &self,
        journal: &Arc<Journal>,
        placement: &Placement,
        context: &Context,
    ) -> Result<(), Failure> {
        let record = journal.record().await;
        if !record.profile.setup.is_empty() {
            let session = self.open_session(&record, Some(placement)).await?;
            let set_up = std::pin::pin!(set_up(&record, session.as_ref(), journal));
            let cancelled = std::pin::pin!(context.cancel.cancelled());
            match select(set_up, cancelled).await {
                Either::Left((outcome, _)) => outcome?,
                Either::Right(_) => {
                    return Err(
                        Failure::new(ErrorKind::Cancelled, "cancelled during set-up").with_residue(Residue::Present)
                    );
                }
            }
        }
        journal.commit(Change::step(Step::Attached).and_release()).await.map(drop)
    }
}

/// What a fault on the way into a sandbox means to the caller.
pub fn reach_failure(error: &sandboxer_reach::ReachError) -> Failure {
    use sandboxer_reach::ReachErrorKind as Kind;
    let kind = match error.kind() {
        Kind::Unreachable | Kind::Refused => ErrorKind::Unavailable,
        Kind::UnknownHost | Kind::HostKeyChanged => ErrorKind::HostUnreachable,
        Kind::Busy => ErrorKind::Busy,
        Kind::ForwardingRefused | Kind::AgentCannotRun => ErrorKind::Unsupported,
        Kind::NotFound | Kind::UnknownUser | Kind::CommandNotFound | Kind::WorkingDirectory => ErrorKind::NotFound,
        Kind::Unauthenticated | Kind::LoginRefused => ErrorKind::Unauthenticated,
        Kind::PermissionDenied | Kind::NotExecutable => ErrorKind::Forbidden,
        Kind::InvalidInput | Kind::Local => ErrorKind::InvalidInput,
        Kind::AlreadyExists | Kind::Precondition | Kind::InputClosed => ErrorKind::Precondition,
        Kind::Unsupported => ErrorKind::Unsupported,
        Kind::Deadline => ErrorKind::Deadline,
        Kind::Exhausted => ErrorKind::Exhausted,
        Kind::Protocol => ErrorKind::ContractViolation,
        _ => ErrorKind::Internal,
    };
    let mut failure = Failure::new(kind, error.to_string()).with_residue(Residue::Present);
    failure.hint = error.hint().map(str::to_owned);
    match std::error::Error::source(error) {
        Some(source) => failure.caused_by(source),
        None => failure,
    }
}

async fn set_up(record: &Record, session: &dyn Session, journal: &Arc<Journal>) -> Result<(), Failure> {
    for argv in &record.profile.setup {
        let shown = sandboxer_sdk::CommandLine::new(argv.iter().cloned()).to_string();
        journal.progress(Progress::new("set-up", shown.clone()));
        journal.log(LogLevel::Info, format!("$ {shown}"));
        let mut request = ExecRequest::new(argv.iter().cloned());
        request.env.clone_from(&record.profile.env);
        request.cwd.clone_from(&record.profile.workdir);
        let mut execution = session.exec(request).await.map_err(|error| reach_failure(&error))?;
        while let Some(event) = execution.next_event().await.map_err(|error| reach_failure(&error))? {
            let (ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) | ExecEvent::Pty(bytes)) = event else { continue };
            for line in String::from_utf8_lossy(&bytes).lines() {
                journal.log(LogLevel::Info, line.to_owned());
            }
        }
        let status = execution.wait().await.map_err(|error| reach_failure(&error))?;
        if !status.success() {
            return Err(Failure::new(
                ErrorKind::Precondition,
                format!("the set-up command {shown} ended with {}", status.shell_code()),
            )
            .with_residue(Residue::Present)
            .with_hint(format!("`sandboxer logs {}` shows what it said", record.sandbox_id)));
        }
    }
    Ok(())
}
