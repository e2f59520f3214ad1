//! Every way a sandbox can end, with nobody to clean up behind it.

use crate::support::{House, Running, Sandbox, Who, until};
use rustix::process::Signal;
use std::time::Duration;

/// Starts a run that goes on until it is ended, and waits until its command runs.
fn long_run(house: &House) -> Running {
    let running = house.start(&["run", "--name", "long", "--", "sh", "-c", "echo here; exec sleep 1000"]);
    running.says("here\n");
    running
}

fn only_sandbox(house: &House) -> String {
    let listed = house.run(&["ls", "--json"]).succeeded().json();
    listed["sandboxes"][0]["sandbox_id"].as_str().expect("one sandbox").to_owned()
}

fn state_of(house: &House, id: &str) -> String {
    let shown = house.run(&["show", id, "--json"]).succeeded().json();
    shown["state"].as_str().expect("a state").to_owned()
}

fn nothing_is_left(house: &House) {
    until("nothing is left", || house.leftovers().is_empty().then_some(()));
}

/// What the end of every test looks for would be found if it were there.
pub(crate) fn everything_of_a_living_sandbox_is_found(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    house.learn_all_names();
    let found = house.leftovers();
    assert!(found.processes.iter().any(|process| process.is_first_inside), "{found:?}");
    assert!(found.processes.iter().any(|process| !process.is_first_inside), "{found:?}");
    assert_eq!(found.folders, [sandbox.folder()]);
    // Its own, and the one around those of all sandboxes of this state directory.
    assert!(who == Who::User || found.cgroups.len() >= 2, "{found:?}");
    found.remove();
    until("only the folder is left", || {
        let left = house.leftovers();
        (left.processes.is_empty() && left.cgroups.is_empty()).then_some(())
    });
    sandbox.remove();
}

pub(crate) fn a_killed_run_leaves_nothing(who: Who) {
    let house = House::new(who);
    let running = long_run(&house);
    let id = only_sandbox(&house);
    assert!(!house.leftovers().is_empty());
    running.signal(Signal::KILL);
    running.finish().ended_with(1009);
    nothing_is_left(&house);
    assert_eq!(state_of(&house, &id), "ready", "nobody has looked yet");
    house.run(&["reconcile"]).succeeded();
    assert_eq!(state_of(&house, &id), "gone");
}

pub(crate) fn a_lease_runs_out_by_itself(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local --ttl 1s");
    sandbox.vanishes();
    let outcome = house.run(&["exec", &sandbox.id, "--", "true"]).ended_with(125);
    assert!(outcome.stderr.contains("(status 4)"), "{}", outcome.stderr);
    // An acting command sees to what is over before its own work.
    house.run(&["run", "--", "true"]).succeeded();
    assert_eq!(state_of(&house, &sandbox.id), "gone");
}

pub(crate) fn an_extended_lease_lasts_longer(who: Who) {
    let house = House::new(who);
    let long = Sandbox::create(&house, "local --ttl 2s");
    house.run(&["extend", &long.id, "1h"]).succeeded();
    let short = Sandbox::create(&house, "local --ttl 1h");
    // Two seconds that begin later end later: by then the first lease of the other is over.
    house.run(&["extend", &short.id, "2s"]).succeeded();
    until("the shortened one is gone", || (!short.folder().exists()).then_some(()));
    long.sh("true").succeeded();
    long.remove();
    house.run(&["reconcile"]).succeeded();
}

pub(crate) fn an_interrupted_run_ends_its_command_and_leaves_nothing(who: Who) {
    let house = House::new(who);
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let running = long_run(&house);
        running.signal(signal);
        running.finish().ended_with(status);
        nothing_is_left(&house);
        assert_eq!(house.run(&["ls", "--json"]).succeeded().json()["sandboxes"], serde_json::json!([]));
    }
}

pub(crate) fn an_interrupted_copy_leaves_nothing_half_done(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    // Room that was set aside takes as long to copy as what was written.
    sandbox.sh("fallocate -l 8G large").succeeded();
    let here = || std::fs::read_dir(house.work()).expect("ours").flatten().next();
    let running = house.start(&["cp", &format!("{}:large", sandbox.id), "."]);
    until("the copy has begun", || here().filter(|entry| entry.metadata().is_ok_and(|file| file.len() > 0)));
    running.signal(Signal::INT);
    let outcome = running.finish().ended_with(1);
    assert_eq!(outcome.stderr, "error: the copy was broken off\n");
    assert!(here().is_none(), "left behind: {:?}", here());
    sandbox.remove();
}

pub(crate) fn an_interrupted_create_leaves_nothing_or_what_is_owed(who: Who) {
    let house = House::new(who);
    for milliseconds in (0..60).step_by(3) {
        let running = house.start(&["create", "local"]);
        running.ends_within(Duration::from_millis(milliseconds));
        running.signal(Signal::INT);
        let outcome = house.noted(running.finish());
        match outcome.status {
            // It came too late.
            0 => drop(house.run(&["rm", outcome.text().trim()]).succeeded()),
            // Before it listened for signals, it ends as any program does; afterwards it withdraws.
            1002 | 1 => {}
            _ => panic!("{outcome:?}"),
        }
        let owed = house.run(&["ls", "--json"]).succeeded().json()["sandboxes"].clone();
        if owed != serde_json::json!([]) {
            house.run(&["reconcile"]).succeeded();
        }
        assert_eq!(house.run(&["ls", "--json"]).succeeded().json()["sandboxes"], serde_json::json!([]));
        nothing_is_left(&house);
    }
}

pub(crate) fn whatever_kills_the_supervisor_reconcile_removes_the_rest(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    sandbox.kill_supervisor();
    house.run(&["reconcile"]).succeeded();
    assert_eq!(state_of(&house, &sandbox.id), "gone");
    nothing_is_left(&house);
}

pub(crate) fn whatever_kills_the_agent_removes_the_sandbox(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    sandbox.kill_agent();
    sandbox.vanishes();
    house.run(&["reconcile"]).succeeded();
    assert_eq!(state_of(&house, &sandbox.id), "gone");
}
