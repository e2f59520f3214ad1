//! What to do about every open record. Pure: from facts to decisions with their reasons.

use sandboxer_sdk::{ObservedState, TeardownReason};
use sandboxer_types::{SandboxId, State};
use serde::Serialize;

/// Everything a decision about one open record rests on.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Which sandbox.
    pub sandbox_id: SandboxId,
    /// Where its record stands.
    pub state: State,
    /// Whether the process that works on it lives; `None` when nobody works on it.
    pub owner_alive: Option<bool>,
    /// Whether the process it is tethered to lives; `None` when it is not tethered.
    pub tether_alive: Option<bool>,
    /// Its lease has run out.
    pub expired: bool,
    /// What its backend says; `None` when it was not asked, or did not answer.
    pub observed: Option<ObservedState>,
    /// Its extension cannot be called.
    pub extension_is_missing: bool,
    /// The machine that it is reached through answered, and does not hold its lease, or holds one that ends too soon.
    pub lease_is_lost: bool,
}

/// What to do about one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    Leave,
    /// Place its lease on its machine again.
    PlaceLease,
    /// Remove it, for this reason.
    TearDown(TeardownReason),
}

/// A decision, with its reason in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// About which sandbox.
    pub sandbox_id: SandboxId,
    /// What to do.
    pub action: Action,
    /// Why.
    pub why: &'static str,
}

/// Decides about one open record.
pub fn plan(facts: &Facts) -> Decision {
    let (action, why) = decide(facts);
    Decision { sandbox_id: facts.sandbox_id.clone(), action, why }
}

fn decide(facts: &Facts) -> (Action, &'static str) {
    use Action::{Leave, TearDown};
    if facts.owner_alive == Some(true) {
        return (Leave, "a living process works on it");
    }
    match facts.state {
        State::Gone | State::Forgotten => (Leave, "its record is closed"),
        State::Failed | State::TearingDown => (TearDown(TeardownReason::Requested), "a teardown is owed"),
        State::Planned | State::Provisioning | State::Attaching => {
            (TearDown(TeardownReason::Abandoned), "the process that made it is gone")
        }
        State::Waiting if facts.owner_alive == Some(false) => {
            (TearDown(TeardownReason::Abandoned), "the process that made it is gone")
        }
        State::Waiting | State::Ready | State::Paused => decide_about_living(facts),
    }
}

fn decide_about_living(facts: &Facts) -> (Action, &'static str) {
    use Action::{Leave, PlaceLease, TearDown};
    if facts.expired {
        return (TearDown(TeardownReason::Expired), "its lease has run out");
    }
    if facts.tether_alive == Some(false) {
        return (TearDown(TeardownReason::Abandoned), "the process it was made for is gone");
    }
    match facts.observed {
        Some(ObservedState::Absent) => (TearDown(TeardownReason::Requested), "its backend no longer has it"),
        Some(ObservedState::Stopped | ObservedState::Error) if facts.state != State::Paused => {
            (TearDown(TeardownReason::Requested), "its backend says that it no longer runs")
        }
        _ if facts.lease_is_lost => (PlaceLease, "its machine does not hold its lease any more"),
        Some(ObservedState::Running | ObservedState::Paused | ObservedState::Busy)
        | Some(ObservedState::Stopped | ObservedState::Error) => (Leave, "it lives"),
        None if facts.extension_is_missing => (Leave, "its extension cannot be called, so nobody was asked"),
        None => (Leave, "nothing speaks against it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(state: State) -> Facts {
        let sandbox_id = "a".parse().expect("valid");
        Facts {
            sandbox_id,
            state,
            owner_alive: None,
            tether_alive: None,
            expired: false,
            observed: None,
            extension_is_missing: false,
            lease_is_lost: false,
        }
    }

    #[test]
    fn whatever_a_living_process_works_on_is_left_alone() {
        for word in State::WORDS {
            let state = word.parse().expect("a word of its own list");
            let decision = plan(&Facts { owner_alive: Some(true), expired: true, ..facts(state) });
            assert_eq!(decision.action, Action::Leave, "{state}");
        }
    }

    #[test]
    fn an_open_record_without_an_owner_that_is_not_alive_and_well_is_torn_down() {
        for word in State::WORDS {
            let state: State = word.parse().expect("a word of its own list");
            let dead = plan(&Facts { owner_alive: Some(false), expired: true, ..facts(state) });
            assert_eq!(matches!(dead.action, Action::TearDown(_)), !state.is_closed(), "{state}");
        }
    }

    #[test]
    fn a_healthy_ready_sandbox_is_left_and_a_lost_one_is_not() {
        let ready = |observed| plan(&Facts { observed, ..facts(State::Ready) }).action;
        assert_eq!(ready(None), Action::Leave);
        assert_eq!(ready(Some(ObservedState::Running)), Action::Leave);
        assert_eq!(ready(Some(ObservedState::Absent)), Action::TearDown(TeardownReason::Requested));
        let unleased = |observed| plan(&Facts { observed, lease_is_lost: true, ..facts(State::Ready) }).action;
        assert_eq!(unleased(None), Action::PlaceLease);
        assert_eq!(unleased(Some(ObservedState::Running)), Action::PlaceLease);
        assert_eq!(unleased(Some(ObservedState::Absent)), Action::TearDown(TeardownReason::Requested));
        let untethered = plan(&Facts { tether_alive: Some(false), ..facts(State::Ready) });
        assert_eq!(untethered.action, Action::TearDown(TeardownReason::Abandoned));
    }
}
