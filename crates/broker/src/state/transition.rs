//! Every way a sandbox may change, in one table.

use super::Lifecycle;
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
    /// The agent is there and set-up is done.
    Attached,
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
            Self::Attached => "attached",
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
        (L::Waiting { handle }, S::Reached(reachability)) => L::Attaching { handle, reachability },
        (L::Attaching { handle, reachability }, S::Attached) => L::Ready { handle, reachability },
        (L::Ready { handle, reachability }, S::Paused) => L::Paused { handle, reachability },
        (L::Paused { handle, .. }, S::Resumed(reachability)) => L::Ready { handle, reachability },

        (L::Planned | L::Provisioning { .. }, S::FailedWithNothing(failure)) => {
            L::Gone { failure: Some(failure), report: None }
        }
        (L::Provisioning { .. }, S::Failed(failure)) => L::Failed { handle: failure.handle.clone(), failure },
        (
            L::Waiting { handle } | L::Attaching { handle, .. } | L::Ready { handle, .. } | L::Paused { handle, .. },
            S::Failed(failure),
        ) => L::Failed { handle: Some(handle), failure },

        // Nothing was sent, so nothing is owed.
        (L::Planned, S::TearDown(_)) => L::Gone { failure: None, report: None },
        (L::Provisioning { .. }, S::TearDown(reason)) => {
            L::TearingDown { handle: None, reason, failure: None, report: None }
        }
        (
            L::Waiting { handle } | L::Attaching { handle, .. } | L::Ready { handle, .. } | L::Paused { handle, .. },
            S::TearDown(reason),
        ) => L::TearingDown { handle: Some(handle), reason, failure: None, report: None },
        (L::Failed { handle, failure }, S::TearDown(reason)) => {
            L::TearingDown { handle, reason, failure: Some(failure), report: None }
        }
        // Tried again: the first reason stands, and so does what the last attempt said.
        (owed @ L::TearingDown { .. }, S::TearDown(_)) => owed,

        (L::TearingDown { handle, reason, failure, .. }, S::CleanupIncomplete(report)) => {
            L::TearingDown { handle, reason, failure, report: Some(report) }
        }
        (L::TearingDown { failure, .. }, S::CleanedUp(report)) => L::Gone { failure, report: Some(report) },
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
            | S::Attached
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sandboxer_types::{ErrorKind, HostId};

    fn handle() -> Handle {
        Handle::minimal(&"a".parse().expect("valid"), &HostId::localhost())
    }

    fn steps() -> Vec<Step> {
        let failure = Failure::new(ErrorKind::Internal, "x");
        vec![
            Step::Provision,
            Step::Checkpoint(Object::new()),
            Step::Provisioned(handle()),
            Step::Reached(Reachability::default()),
            Step::Attached,
            Step::Paused,
            Step::Resumed(Reachability::default()),
            Step::FailedWithNothing(failure.clone()),
            Step::Failed(failure),
            Step::TearDown(TeardownReason::Requested),
            Step::CleanupIncomplete(CleanupReport::default()),
            Step::CleanedUp(CleanupReport { complete: true, ..CleanupReport::default() }),
            Step::Forget("by hand".to_owned()),
        ]
    }

    proptest! {
        /// Once something may exist, the only ways to a closed record are a verified cleanup and a person's word.
        #[test]
        fn nothing_that_may_exist_is_ever_dropped(choices in proptest::collection::vec(0usize..13, 1..40)) {
            let steps = steps();
            let mut lifecycle = Lifecycle::Planned;
            let mut sent = false;
            for choice in choices {
                let step = steps[choice].clone();
                let Ok(next) = apply(lifecycle.clone(), step.clone()) else { continue };
                sent |= matches!(step, Step::Provision);
                if next.state() == State::Gone && sent {
                    prop_assert!(matches!(step, Step::CleanedUp(_) | Step::FailedWithNothing(_)));
                }
                if next.state() == State::Forgotten {
                    prop_assert!(matches!(step, Step::Forget(_)));
                }
                prop_assert!(!lifecycle.state().is_closed(), "a closed record changed");
                lifecycle = next;
            }
        }
    }

    #[test]
    fn the_whole_table_is_this() {
        let mut table = String::new();
        let failure = Failure::new(ErrorKind::Internal, "x");
        let reachability = Reachability::default();
        let every = [
            Lifecycle::Planned,
            Lifecycle::Provisioning { draft: None },
            Lifecycle::Waiting { handle: handle() },
            Lifecycle::Attaching { handle: handle(), reachability: reachability.clone() },
            Lifecycle::Ready { handle: handle(), reachability: reachability.clone() },
            Lifecycle::Paused { handle: handle(), reachability },
            Lifecycle::Failed { handle: None, failure: failure.clone() },
            Lifecycle::TearingDown { handle: None, reason: TeardownReason::Expired, failure: None, report: None },
            Lifecycle::Gone { failure: Some(failure), report: None },
            Lifecycle::Forgotten { failure: None, report: None, note: String::new() },
        ];
        for lifecycle in every {
            for step in steps() {
                let (from, name) = (lifecycle.state(), step.name());
                if let Ok(next) = apply(lifecycle.clone(), step) {
                    table.push_str(&format!("{from} --{name}--> {}\n", next.state()));
                }
            }
        }
        insta::assert_snapshot!(table);
    }
}
