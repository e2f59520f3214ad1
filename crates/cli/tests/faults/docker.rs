//! Stacks on a host whose engine or network fails.

use crate::place::{Place, STACK};
use crate::steps;
use crate::support::until;
use std::time::Duration;

#[test]
fn a_connection_that_breaks_in_the_middle_of_a_step() {
    steps::breaks(&Place::with_engine(), STACK);
}

#[test]
fn a_link_that_falls_silent_in_the_middle_of_a_step() {
    steps::falls_silent(&Place::with_engine(), STACK, &[2]);
}

#[test]
fn whoever_is_killed_in_the_middle_of_a_step_is_taken_over() {
    steps::is_killed(&Place::with_engine(), STACK);
}

#[test]
fn a_bad_link_does() {
    let place = Place::with_engine();
    place.works(STACK);
    place.host.lose(20);
    place.works(STACK);
    place.host.restore();
    let proxy = place.by_proxy(Duration::from_millis(200));
    place.end_connections();
    place.works(STACK);
    assert!(proxy.passed() > 0);
}

#[test]
fn an_engine_that_is_down_is_told_and_owes_nothing_once_it_is_back() {
    let place = Place::with_engine();
    place.host.engine().stop();
    let outcome = place.create(STACK, "one").ended_with(5);
    assert!(outcome.stderr.contains("engine") && outcome.stderr.contains("hint:"), "{}", outcome.stderr);
    place.host.engine().start_again();
    place.settles();
    place.create(STACK, "one").succeeded();
    place.host.engine().stop();
    assert_ne!(place.run(&["exec", "one", "--", "true"]).status, 0);
    place.run(&["rm", "one"]).ended_with(8);
    assert_eq!(place.states(), ["tearing_down"]);
    place.host.engine().start_again();
    place.settles();
}

#[test]
fn an_engine_that_hangs_holds_nobody_for_ever() {
    let place = Place::with_engine();
    place.create(STACK, "one").succeeded();
    place.host.engine().freeze();
    let started = place.start(&["rm", "one"]);
    until("it asks the engine", || {
        let asks = place.host.processes().iter().any(|process| process.command.contains("docker "));
        asks.then_some(())
    });
    place.host.engine().thaw();
    place.house.noted(started.finish()).succeeded();
    place.settles();
}

#[test]
fn a_stack_outlives_a_restart_of_its_engine_or_is_told_to_be_gone() {
    let place = Place::with_engine();
    place.create(STACK, "one").succeeded();
    place.host.engine().stop();
    place.host.engine().start_again();
    // Without a policy for that, containers stay down.
    let outcome = place.run(&["exec", "one", "--", "true"]);
    assert!([1, 5, 125].contains(&outcome.status) && outcome.stderr.contains("error:"), "{}", outcome.stderr);
    place.run(&["rm", "one"]).succeeded();
    place.settles();
}

#[test]
fn a_host_that_restarts_is_cleaned_all_the_same() {
    let place = Place::with_engine();
    place.create(STACK, "one").succeeded();
    place.host.reboot();
    place.run(&["rm", "one"]).succeeded();
    place.settles();
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let place = Place::with_engine();
    place.works(STACK);
    place.house.write("app/big", vec![7; 3_000_000]);
    place.host.small_disk("/root/.local", 1_000_000);
    let outcome = place.create(STACK, "one").ended_with(5);
    assert!(outcome.stderr.contains("No space left") || outcome.stderr.contains("room"), "{}", outcome.stderr);
    place.settles();
    place.host.remove_disk("/root/.local");
}

#[test]
fn a_removal_while_the_host_is_away_stays_owed_and_completes() {
    let place = Place::with_engine();
    place.create(STACK, "one").succeeded();
    place.host.cut();
    place.run(&["rm", "one"]).ended_with(8);
    assert_eq!(place.states(), ["tearing_down"]);
    place.host.restore();
    place.run(&["reconcile"]).succeeded();
    assert_eq!(place.states(), [""; 0]);
    place.is_clean();
}

#[test]
fn a_lease_ends_what_nobody_asks_for_any_more() {
    let place = Place::with_engine();
    place.run(&[STACK, &["--name", "one", "--ttl", "15s"]].concat()).succeeded();
    assert!(!place.host.engine().holdings().is_empty());
    place.end_connections();
    // The machine with the state directory is no more.
    std::fs::remove_dir_all(place.house.state()).expect("ours");
    until("the lease has ended it", || place.left().is_empty().then_some(()));
}
