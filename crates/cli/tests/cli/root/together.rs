//! Several processes at once on one state directory.

use crate::support::{House, Outcome, Sandbox, Who};
use std::collections::BTreeSet;
use std::time::Duration;

/// Runs the same command several times at once.
fn at_once(house: &House, count: usize, arguments: &[&str]) -> Vec<Outcome> {
    let running: Vec<_> = (0..count).map(|_| house.start(arguments)).collect();
    running.into_iter().map(|running| house.noted(running.finish())).collect()
}

fn statuses(outcomes: &[Outcome]) -> Vec<i32> {
    let mut statuses: Vec<i32> = outcomes.iter().map(|outcome| outcome.status).collect();
    statuses.sort_unstable();
    statuses
}

#[test]
fn one_of_several_gets_a_name() {
    let house = House::new(Who::Caller);
    let outcomes = at_once(&house, 6, &["create", "local", "--name", "wanted"]);
    assert_eq!(statuses(&outcomes), [0, 7, 7, 7, 7, 7], "{outcomes:?}");
    let listed = house.run(&["ls", "--all", "--json"]).succeeded().json();
    assert_eq!(listed["sandboxes"].as_array().expect("a list").len(), 1);
    house.run(&["rm", "wanted"]).succeeded();
}

#[test]
fn one_of_several_gets_an_id() {
    let house = House::new(Who::Caller);
    let id = format!("wanted-{}", std::process::id());
    let outcomes = at_once(&house, 6, &["create", "local", "--id", &id]);
    assert_eq!(statuses(&outcomes), [0, 7, 7, 7, 7, 7], "{outcomes:?}");
    Sandbox::known(&house, &id).sh("true").succeeded();
    house.run(&["rm", &id]).succeeded();
}

/// The first is often done, and its process gone, while the others still look: that must not look like a death.
#[test]
fn one_idempotency_key_makes_one_sandbox() {
    let house = House::new(Who::Caller);
    for round in 0..10 {
        let key = format!("key-{round}");
        let outcomes = at_once(&house, 6, &["create", "local", "--idempotency-key", &key]);
        assert_eq!(statuses(&outcomes), [0; 6], "{outcomes:?}");
        let ids: BTreeSet<String> = outcomes.iter().map(Outcome::text).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert!(outcomes.iter().all(|outcome| outcome.stderr.is_empty()), "{outcomes:?}");
        let again = house.run(&["create", "local", "--idempotency-key", &key]).succeeded();
        assert!(ids.contains(&again.text()));
        house.run(&["create", "local-net", "--idempotency-key", &key]).ended_with(7);
    }
    assert_eq!(house.run(&["reconcile"]).succeeded().text(), "nothing to do\n");
    assert_eq!(house.run(&["ls", "--json"]).succeeded().json()["sandboxes"].as_array().map(Vec::len), Some(10));
    house.run(&["rm", "--all"]).succeeded();
}

/// What was read of a sandbox that was still being made, by a process that is gone by now because it is done, says
/// nothing of the sandbox.
#[test]
fn a_reconciliation_beside_creates_removes_none() {
    let house = House::new(Who::Caller);
    for _ in 0..40 {
        let create = house.start(&["create", "local"]);
        while !create.ends_within(Duration::ZERO) {
            assert_eq!(statuses(&at_once(&house, 2, &["reconcile"])), [0, 0]);
        }
        let id = house.noted(create.finish().succeeded()).text();
        let sandbox = Sandbox::known(&house, id.trim());
        sandbox.sh("true").succeeded();
        sandbox.remove();
    }
}

#[test]
fn the_first_of_all_commands_may_be_several() {
    for _ in 0..12 {
        let house = House::new(Who::Caller);
        let outcomes = at_once(&house, 8, &["reconcile"]);
        assert_eq!(statuses(&outcomes), [0; 8], "{outcomes:?}");
    }
}

#[test]
fn several_remove_one_sandbox() {
    let house = House::new(Who::Caller);
    for _ in 0..5 {
        let sandbox = Sandbox::create(&house, "local");
        let outcomes = at_once(&house, 4, &["rm", &sandbox.id]);
        for outcome in &outcomes {
            // Who comes while another removes it is told so; who comes later finds it gone.
            assert!(outcome.status == 0 || outcome.status == 5 || outcome.status == 7, "{outcome:?}");
            assert_eq!(outcome.status == 0, outcome.text().contains("gone"), "{outcome:?}");
        }
        assert!(outcomes.iter().any(|outcome| outcome.status == 0), "{outcomes:?}");
        assert!(house.leftovers().is_empty());
        house.run(&["rm", &sandbox.id]).succeeded();
    }
}

#[test]
fn a_removal_ends_the_commands_inside() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local");
    let running = house.start(&["exec", &sandbox.id, "--", "sh", "-c", "echo here; exec sleep 1000"]);
    running.says("here\n");
    house.run(&["rm", &sandbox.id]).succeeded();
    let outcome = running.finish().ended_with(125);
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("(status 5)"), "{}", outcome.stderr);
}

#[test]
fn many_creates_commands_and_removals_at_once() {
    let house = House::new(Who::Caller);
    let outcomes = at_once(&house, 10, &["run", "--", "sh", "-c", "echo $(hostname)"]);
    assert_eq!(statuses(&outcomes), [0; 10], "{outcomes:?}");
    let names: BTreeSet<String> = outcomes.iter().map(Outcome::text).collect();
    assert_eq!(names.len(), 10, "each has a sandbox of its own: {names:?}");
    let reconciled = at_once(&house, 4, &["reconcile"]);
    assert_eq!(statuses(&reconciled), [0; 4], "{reconciled:?}");
    assert_eq!(house.run(&["ls", "--json"]).succeeded().json()["sandboxes"], serde_json::json!([]));
}
