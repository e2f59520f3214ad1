use super::*;
use crate::state::SessionKind;
use proptest::prelude::*;
use sandboxer_types::{ErrorKind, HostId};

fn handle() -> Handle {
    Handle::minimal(&"a".parse().expect("valid"), &HostId::localhost())
}

fn attachment() -> Attachment {
    Attachment { ssh: None, jump: None, owns_machine: false, expire: Vec::new() }
}

fn standing(unheld: Option<&str>) -> Standing {
    Standing { session: SessionKind::Agent, unheld: unheld.map(str::to_owned) }
}

fn steps() -> Vec<Step> {
    let failure = Failure::new(ErrorKind::Internal, "x");
    vec![
        Step::Provision,
        Step::Checkpoint(Object::new()),
        Step::Provisioned(handle()),
        Step::Reached(Reachability::default()),
        Step::Attach(attachment()),
        Step::Attached(None),
        Step::Attached(Some(standing(None))),
        Step::Attached(Some(standing(Some("no agent runs there")))),
        Step::Paused,
        Step::Resumed(Reachability::default()),
        Step::FailedWithNothing(failure.clone()),
        Step::Failed(failure),
        Step::TearDown(TeardownReason::Requested),
        Step::Detached,
        Step::CleanupIncomplete(CleanupReport::default()),
        Step::CleanedUp(CleanupReport { complete: true, ..CleanupReport::default() }),
        Step::Forget("by hand".to_owned()),
    ]
}

/// Whether a detach is owed, now or once it is torn down.
fn is_attached(lifecycle: &Lifecycle) -> bool {
    match lifecycle {
        Lifecycle::Attaching { attachment, .. }
        | Lifecycle::Failed { attachment, .. }
        | Lifecycle::TearingDown { attachment, .. } => attachment.is_some(),
        Lifecycle::Ready { attached, .. } | Lifecycle::Paused { attached, .. } => {
            attached.as_ref().is_some_and(|attached| attached.standing.unheld.is_none())
        }
        _ => false,
    }
}

proptest! {
    /// Once something may exist, the only ways to a closed record are a verified cleanup and a person's word; and while a
    /// lease may be held, only the latter.
    #[test]
    fn nothing_that_may_exist_is_ever_dropped(choices in proptest::collection::vec(0usize..17, 1..60)) {
        let steps = steps();
        let mut lifecycle = Lifecycle::Planned;
        let mut sent = false;
        for choice in choices {
            let step = steps[choice].clone();
            let Ok(next) = apply(lifecycle.clone(), step.clone()) else { continue };
            sent |= matches!(step, Step::Provision);
            if next.state() == State::Gone && sent {
                prop_assert!(matches!(step, Step::CleanedUp(_) | Step::FailedWithNothing(_)));
                prop_assert!(!is_attached(&lifecycle), "a lease was forgotten");
            }
            if next.state() == State::Forgotten {
                prop_assert!(matches!(step, Step::Forget(_)));
            }
            prop_assert!(!lifecycle.state().is_closed(), "a closed record changed");
            if is_attached(&lifecycle) && !is_attached(&next) && next.state() != State::Forgotten {
                let nobody_holds_it = matches!(&step, Step::Attached(Some(standing)) if standing.unheld.is_some());
                prop_assert!(step == Step::Detached || nobody_holds_it, "{step:?} drops a lease");
            }
            lifecycle = next;
        }
    }
}

/// Every state there is, where it makes a difference with a lease and without.
fn every() -> Vec<Lifecycle> {
    let failure = Failure::new(ErrorKind::Internal, "x");
    let reachability = Reachability::default();
    let attached = |unheld| Some(Attached { attachment: attachment(), standing: standing(unheld) });
    let mut every = vec![
        Lifecycle::Planned,
        Lifecycle::Provisioning { draft: None },
        Lifecycle::Waiting { handle: handle() },
        Lifecycle::Gone { failure: Some(failure.clone()), report: None },
        Lifecycle::Forgotten { failure: None, report: None, note: String::new() },
    ];
    for attachment in [None, Some(attachment())] {
        let (handle, reachability, reason) = (handle(), reachability.clone(), TeardownReason::Expired);
        every.extend([
            Lifecycle::Attaching { handle, reachability, attachment: attachment.clone() },
            Lifecycle::Failed { handle: None, failure: failure.clone(), attachment: attachment.clone() },
            Lifecycle::TearingDown { handle: None, reason, attachment, failure: None, report: None },
        ]);
    }
    for attached in [None, attached(None), attached(Some("no agent runs there"))] {
        let (handle, reachability) = (handle(), reachability.clone());
        every.push(Lifecycle::Ready {
            handle: handle.clone(),
            reachability: reachability.clone(),
            attached: attached.clone(),
        });
        every.push(Lifecycle::Paused { handle, reachability, attached });
    }
    every
}

#[test]
fn the_whole_table_is_this() {
    let shown = |lifecycle: &Lifecycle| {
        let state = lifecycle.state();
        if is_attached(lifecycle) { format!("{state} with a lease") } else { state.to_string() }
    };
    let mut table = std::collections::BTreeSet::new();
    for lifecycle in every() {
        for step in steps() {
            let (from, name) = (shown(&lifecycle), step.name());
            if let Ok(next) = apply(lifecycle.clone(), step) {
                table.insert(format!("{from} --{name}--> {}\n", shown(&next)));
            }
        }
    }
    insta::assert_snapshot!(table.into_iter().collect::<String>());
}
