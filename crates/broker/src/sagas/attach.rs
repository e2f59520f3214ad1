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

/// What a fault on the way into a sandbox means to the caller: it exists, whatever is said of this one call.
pub fn reach_failure(error: &sandboxer_reach::ReachError) -> Failure {
    sandboxer_reach::failure(error).with_residue(Residue::Present)
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
