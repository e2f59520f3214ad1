//! The undo of attaching, after a teardown has verified that all else is gone: until then the machine's own switch stays.

use super::attach::{late, nobody_would_hold_it, reach_failure};
use super::destroy::failed;
use crate::engine::Broker;
use crate::journal::Change;
use crate::state::{Attachment, Lifecycle, Record, Step};
use sandboxer_types::{CleanupReport, ErrorKind, Failure, SandboxId};

/// How a lease came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Released {
    /// Whoever may have held it does not any more.
    Now,
    /// There is nobody there who could have.
    NobodyHeldIt,
}

impl Broker {
    /// What a teardown that was asked for comes to: over, or still owed. A lease that is not released is owed, too.
    pub(super) async fn conclude(&self, record: &Record, mut report: CleanupReport) -> Change {
        let owed = match &record.lifecycle {
            Lifecycle::TearingDown { attachment, .. } => attachment.as_ref(),
            _ => None,
        };
        let Some(attachment) = owed.filter(|_| report.complete) else {
            return Change::step(outcome(report));
        };
        let what = format!("the lease `{}` on {}", record.sandbox_id, attachment.route());
        match self.release(&record.sandbox_id, attachment).await {
            Ok(released) => {
                match released {
                    Released::Now => report.removed.push(what),
                    Released::NobodyHeldIt => report.already_absent.push(format!("{what}: no agent runs there")),
                }
                Change::step(Step::Detached).and(Step::CleanedUp(report))
            }
            Err(failure) if may_be_gone(attachment, &failure) => {
                let why = "the machine does not answer any more; where it is still there, it ends the lease itself";
                report.already_absent.push(format!("{what}: {why} ({})", failure.message));
                Change::step(Step::Detached).and(Step::CleanedUp(report))
            }
            Err(failure) => {
                report.complete = false;
                let said = failed(&failure).errors;
                report.errors.extend(said.into_iter().map(|said| format!("{what} is not released: {said}")));
                Change::step(Step::CleanupIncomplete(report))
            }
        }
    }

    /// Gives up a sandbox's lease on its machine.
    pub(crate) async fn release(&self, sandbox_id: &SandboxId, attachment: &Attachment) -> Result<Released, Failure> {
        let limit = self.parts.patience.query;
        let route = attachment.route();
        let mark = self.mark(sandbox_id);
        let released = tokio::time::timeout(limit, self.parts.machines.release_lease(&route, mark.as_str())).await;
        match released {
            Ok(Ok(())) => Ok(Released::Now),
            Ok(Err(error)) if nobody_would_hold_it(&error) => Ok(Released::NobodyHeldIt),
            Ok(Err(error)) => Err(reach_failure(&error)),
            Err(_) => Err(late(&format!("{route} gave no answer"), limit)),
        }
    }
}

/// Whether the machine was the sandbox itself, and does not answer now that its extension has verified that it is gone.
fn may_be_gone(attachment: &Attachment, failure: &Failure) -> bool {
    let answers_nobody =
        matches!(failure.kind, ErrorKind::Unavailable | ErrorKind::HostUnreachable | ErrorKind::Deadline);
    attachment.owns_machine && answers_nobody
}

fn outcome(report: CleanupReport) -> Step {
    if report.complete { Step::CleanedUp(report) } else { Step::CleanupIncomplete(report) }
}
