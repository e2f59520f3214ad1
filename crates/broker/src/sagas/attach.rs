//! The last steps of a create: what is done on the machine that a sandbox is reached through, and the profile's set-up.

use super::call::try_again;
use crate::control::Context;
use crate::engine::{Broker, Placement};
use crate::journal::{Change, Journal};
use crate::state::{Attachment, Lifecycle, Record, Standing, Step, machine_span};
use sandboxer_reach::{Entered, ExecEvent, ExecRequest, ReachError, ReachErrorKind, Session};
use sandboxer_sdk::{CallSink, CommandLine, LogLevel, Progress};
use sandboxer_types::{ErrorKind, Failure, Residue, SandboxId, SandboxMark};
use std::sync::Arc;
use std::time::Duration;

impl Broker {
    /// Attaches where that was announced, runs the profile's set-up commands and calls the sandbox ready.
    pub(super) async fn attach(
        &self,
        journal: &Arc<Journal>,
        placement: &Placement,
        context: &Context,
    ) -> Result<(), Failure> {
        let record = journal.record().await;
        let needs_set_up = !record.profile.setup.is_empty();
        let (session, standing) = match &record.lifecycle {
            Lifecycle::Attaching { attachment: Some(attachment), .. } => {
                let (way, standing) = self.attach_on_machine(journal, &record, attachment, context).await?;
                (needs_set_up.then_some(way.session), Some(standing))
            }
            _ if needs_set_up => (Some(self.open_session(&record, Some(placement)).await?), None),
            _ => (None, None),
        };
        if let Some(session) = session {
            let work = set_up(&record, session.as_ref(), journal);
            tokio::select! {
                done = work => done?,
                () = context.cancel.cancelled() => return Err(cancelled("set-up")),
            }
        }
        journal.commit(Change::step(Step::Attached(standing)).and_release()).await.map(drop)
    }

    /// The lease first: from then on the machine removes what is there should nobody else. Then the way in, until it answers.
    /// All of it can be done again, so what a dead process has done does not matter.
    async fn attach_on_machine(
        &self,
        journal: &Arc<Journal>,
        record: &Record,
        attachment: &Attachment,
        context: &Context,
    ) -> Result<(Entered, Standing), Failure> {
        let route = attachment.route();
        journal.progress(Progress::new("attach", format!("opening a way in through {route}")));
        let limit = self.parts.patience.attach;
        let work = async {
            let mut attempt = 1;
            loop {
                let failure = match self.attach_once(journal, record, attachment).await {
                    Ok(attached) => return Ok(attached),
                    Err(failure) => failure,
                };
                if !try_again(&failure, attempt, &self.parts.patience, context) {
                    return Err(failure);
                }
                journal.log(LogLevel::Info, format!("attempt {attempt} to attach failed and is repeated: {failure}"));
                tokio::time::sleep(self.parts.patience.backoff.saturating_mul(1 << (attempt - 1).min(6))).await;
                attempt += 1;
            }
        };
        tokio::select! {
            attached = work => attached,
            () = context.cancel.cancelled() => Err(cancelled("attaching")),
            () = tokio::time::sleep(limit) => Err(late(&format!("no way in was opened through {route}"), limit)),
        }
    }

    async fn attach_once(
        &self,
        journal: &Arc<Journal>,
        record: &Record,
        attachment: &Attachment,
    ) -> Result<(Entered, Standing), Failure> {
        let unheld = match self.hold(record, attachment).await {
            Ok(()) => None,
            Err(error) if nobody_would_hold_it(&error) => Some(error.to_string()),
            Err(error) => return Err(reach_failure(&error)),
        };
        if let Some(why) = &unheld {
            let route = attachment.route();
            journal.log(LogLevel::Warning, format!("nobody on {route} ends this sandbox without us: {why}"));
        }
        let way = self.enter_machine(record, attachment).await?;
        way.session.health().await.map_err(|error| reach_failure(&error))?;
        let standing = Standing { session: way.kind.into(), unheld };
        Ok((way, standing))
    }

    /// What a sandbox is called on its machine.
    pub(crate) fn mark(&self, sandbox_id: &SandboxId) -> SandboxMark {
        SandboxMark::of(sandbox_id, self.parts.store.owner())
    }

    /// Places the sandbox's lease on its machine, or renews it, for a little longer than it may live.
    pub(crate) async fn hold(&self, record: &Record, attachment: &Attachment) -> Result<(), ReachError> {
        let span = machine_span(record.lease.remaining(self.parts.clock.as_ref()).as_duration());
        let machines = &self.parts.machines;
        let mark = self.mark(&record.sandbox_id);
        machines.place_lease(&attachment.route(), mark.as_str(), span, &attachment.expire).await
    }
}

/// Whether the machine has nobody who could hold a lease, rather than that it cannot be asked.
pub(super) fn nobody_would_hold_it(error: &ReachError) -> bool {
    matches!(error.kind(), ReachErrorKind::AgentCannotRun)
}

fn cancelled(during: &str) -> Failure {
    Failure::new(ErrorKind::Cancelled, format!("cancelled during {during}")).with_residue(Residue::Present)
}

/// What is said of work on a machine that took too long.
pub(crate) fn late(what: &str, limit: Duration) -> Failure {
    Failure::new(ErrorKind::Deadline, format!("{what} within {} s", limit.as_secs())).with_residue(Residue::Present)
}

/// What a fault on the way into a sandbox means to the caller: it exists, whatever is said of this one call.
pub fn reach_failure(error: &ReachError) -> Failure {
    sandboxer_reach::failure(error).with_residue(Residue::Present)
}

async fn set_up(record: &Record, session: &dyn Session, journal: &Arc<Journal>) -> Result<(), Failure> {
    for argv in &record.profile.setup {
        let shown = CommandLine::new(argv.iter().cloned()).to_string();
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
