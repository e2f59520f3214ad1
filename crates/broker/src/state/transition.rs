//! Every way a sandbox may change, in one table.

use super::{Attached, Attachment, Lifecycle, Standing};
use sandboxer_sdk::TeardownReason;
use sandboxer_types::{CleanupReport, Failure, Handle, Object, Reachability, State};

/// One step of a sandbox's life.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `provision` is about to be called.
    Provision,
    /// The backend gave ids of its own.
    Checkpoint(Object),
    /// `provision` returned.
    Provisioned(Handle),
    /// `wait_ready` returned.
    Reached(Reachability),
    /// A lease is about to be placed on the machine it is reached through, and an agent to be put there.
    Attach(Attachment),
    /// It has a way in and set-up is done; with how an attachment turned out, where one was announced.
    Attached(Option<Standing>),
    /// It was stopped.
    Paused,
    /// It goes on.
    Resumed(Reachability),
    /// The create failed, and nothing was made: that was stated, and no earlier attempt left doubt.
    FailedWithNothing(Failure),
    /// Something went wrong, and something may exist.
    Failed(Failure),
    /// It is about to be removed.
    TearDown(TeardownReason),
    /// The lease is released, after the teardown has verified that nothing else is left.
    Detached,
    /// A teardown ended without having removed everything.
    CleanupIncomplete(CleanupReport),
    /// A teardown verified that nothing is left.
    CleanedUp(CleanupReport),
    /// Closed by hand.
    Forget(String),
}

impl Step {
    /// The step's name, for logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Checkpoint(_) => "checkpoint",
            Self::Provisioned(_) => "provisioned",
            Self::Reached(_) => "reached",
            Self::Attach(_) => "attach",
            Self::Attached(_) => "attached",
            Self::Detached => "detached",
            Self::Paused => "paused",
            Self::Resumed(_) => "resumed",
            Self::FailedWithNothing(_) => "failed with nothing made",
            Self::Failed(_) => "failed",
            Self::TearDown(_) => "tear down",
            Self::CleanupIncomplete(_) => "cleanup incomplete",
            Self::CleanedUp(_) => "cleaned up",
            Self::Forget(_) => "forget",
        }
    }
}

/// A step that a sandbox in this state cannot take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sandbox that is {state} cannot take the step `{step}`")]
pub struct IllegalStep {
    /// The state it is in.
    pub state: State,
    /// The step's name.
    pub step: &'static str,
}

/// Takes one step. This is the whole table: what is not in it does not happen.
#[allow(clippy::too_many_lines, reason = "one table in one place; split, it could not be read at a glance")]
pub fn apply(lifecycle: Lifecycle, step: Step) -> Result<Lifecycle, IllegalStep> {
    use Lifecycle as L;
    use Step as S;
    let illegal = IllegalStep { state: lifecycle.state(), step: step.name() };
    Ok(match (lifecycle, step) {
        (L::Planned, S::Provision) => L::Provisioning { draft: None },
        (L::Provisioning { .. }, S::Checkpoint(draft)) => L::Provisioning { draft: Some(draft) },
        (L::Provisioning { .. }, S::Provisioned(handle)) => L::Waiting { handle },
        (L::Waiting { handle }, S::Reached(reachability)) => L::Attaching { handle, reachability, attachment: None },
        (L::Attaching { handle, reachability, attachment: None }, S::Attach(attachment)) => {
            L::Attaching { handle, reachability, attachment: Some(attachment) }
        }
        (L::Attaching { handle, reachability, attachment: None }, S::Attached(None)) => {
            L::Ready { handle, reachability, attached: None }
        }
        (L::Attaching { handle, reachability, attachment: Some(attachment) }, S::Attached(Some(standing))) => {
            L::Ready { handle, reachability, attached: Some(Attached { attachment, standing }) }
        }
        (L::Ready { handle, reachability, attached }, S::Paused) => L::Paused { handle, reachability, attached },
        (L::Paused { handle, attached, .. }, S::Resumed(reachability)) => L::Ready { handle, reachability, attached },

        (L::Planned | L::Provisioning { .. }, S::FailedWithNothing(failure)) => {
            L::Gone { failure: Some(failure), report: None }
        }
        (L::Provisioning { .. }, S::Failed(failure)) => {
            L::Failed { handle: failure.handle.clone(), failure, attachment: None }
        }
        (L::Waiting { handle }, S::Failed(failure)) => L::Failed { handle: Some(handle), failure, attachment: None },
        (L::Attaching { handle, attachment, .. }, S::Failed(failure)) => {
            L::Failed { handle: Some(handle), failure, attachment }
        }
        (L::Ready { handle, attached, .. } | L::Paused { handle, attached, .. }, S::Failed(failure)) => {
            L::Failed { handle: Some(handle), failure, attachment: attached.and_then(Attached::owed) }
        }

        // Nothing was sent, so nothing is owed.
        (L::Planned, S::TearDown(_)) => L::Gone { failure: None, report: None },
        (L::Provisioning { .. }, S::TearDown(reason)) => {
            L::TearingDown { handle: None, reason, attachment: None, failure: None, report: None }
        }
        (L::Waiting { handle }, S::TearDown(reason)) => {
            L::TearingDown { handle: Some(handle), reason, attachment: None, failure: None, report: None }
        }
        (L::Attaching { handle, attachment, .. }, S::TearDown(reason)) => {
            L::TearingDown { handle: Some(handle), reason, attachment, failure: None, report: None }
        }
        (L::Ready { handle, attached, .. } | L::Paused { handle, attached, .. }, S::TearDown(reason)) => {
            let attachment = attached.and_then(Attached::owed);
            L::TearingDown { handle: Some(handle), reason, attachment, failure: None, report: None }
        }
        (L::Failed { handle, failure, attachment }, S::TearDown(reason)) => {
            L::TearingDown { handle, reason, attachment, failure: Some(failure), report: None }
        }
        // Tried again: the first reason stands, and so does what the last attempt said.
        (owed @ L::TearingDown { .. }, S::TearDown(_)) => owed,

        (L::TearingDown { handle, reason, attachment, failure, .. }, S::CleanupIncomplete(report)) => {
            L::TearingDown { handle, reason, attachment, failure, report: Some(report) }
        }
        (L::TearingDown { handle, reason, attachment: Some(_), failure, report }, S::Detached) => {
            L::TearingDown { handle, reason, attachment: None, failure, report }
        }
        // As long as a detach is owed, nothing is over.
        (L::TearingDown { attachment: None, failure, .. }, S::CleanedUp(report)) => {
            L::Gone { failure, report: Some(report) }
        }
        (L::Failed { failure, .. }, S::Forget(note)) => L::Forgotten { failure: Some(failure), report: None, note },
        (L::TearingDown { failure, report, .. }, S::Forget(note)) => L::Forgotten { failure, report, note },

        (
            L::Planned
            | L::Provisioning { .. }
            | L::Waiting { .. }
            | L::Attaching { .. }
            | L::Ready { .. }
            | L::Paused { .. }
            | L::Failed { .. }
            | L::TearingDown { .. }
            | L::Gone { .. }
            | L::Forgotten { .. },
            S::Provision
            | S::Checkpoint(_)
            | S::Provisioned(_)
            | S::Reached(_)
            | S::Attach(_)
            | S::Attached(_)
            | S::Detached
            | S::Paused
            | S::Resumed(_)
            | S::FailedWithNothing(_)
            | S::Failed(_)
            | S::TearDown(_)
            | S::CleanupIncomplete(_)
            | S::CleanedUp(_)
            | S::Forget(_),
        ) => return Err(illegal),
    })
}

#[cfg(test)]
mod tests;
