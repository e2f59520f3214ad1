//! What a person sees who does everything right.

use crate::support::{House, Transcript, Who};

#[test]
fn a_sandbox_from_its_making_to_its_end() {
    let house = House::new(Who::Caller);
    house.write("note.txt", "hello\n");
    let mut transcript = Transcript::new(&house);
    let typed: [&[&str]; 21] = [
        &["create", "local", "--name", "demo", "--ttl", "30m", "--label", "team=a"],
        &["ls"],
        &["show", "demo"],
        &["exec", "demo", "--", "sh", "-c", "echo out; echo err >&2"],
        &["exec", "-e", "GREETING=good day", "-w", "/tmp", "demo", "--", "sh", "-c", "echo $GREETING; pwd"],
        &["cp", "note.txt", "demo:"],
        &["exec", "demo", "--", "cat", "note.txt"],
        &["exec", "demo", "--", "sh", "-c", "mkdir made; echo inside > made/file"],
        &["cp", "demo:made", "."],
        &["cp", "demo:/etc/hostname", "name"],
        &["extend", "demo", "2h"],
        &["ls", "--label", "team=a"],
        &["ls", "--label", "team=b"],
        &["ls", "--state", "ready", "--consumer", "user:tester"],
        &["logs", "demo"],
        &["rm", "-v", "demo"],
        &["ls"],
        &["ls", "--all"],
        &["ls", "--state", "gone"],
        &["events"],
        &["orphans"],
    ];
    for arguments in typed {
        transcript.run(arguments).succeeded();
    }
    assert_eq!(std::fs::read_to_string(house.work().join("made/file")).expect("copied"), "inside\n");
    transcript.matches("journey");
}

#[test]
fn the_same_in_json() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    let typed: [&[&str]; 9] = [
        &["create", "local", "--name", "demo", "--label", "team=a", "--json"],
        &["ls", "--json"],
        &["show", "demo", "--json"],
        &["extend", "demo", "2h", "--json"],
        &["logs", "demo", "--json"],
        &["orphans", "--json"],
        &["reconcile", "--json"],
        &["ls", "--state", "paused", "--json"],
        &["events", "demo", "--json"],
    ];
    for arguments in typed {
        assert!(transcript.run(arguments).succeeded().json().is_object());
    }
    transcript.matches("journey-json");
    // What was looked for differs from machine to machine; the plain form of it has a snapshot.
    let removed = house.run(&["rm", "demo", "--json"]).succeeded().json();
    assert_eq!(removed["sandboxes"][0]["state"], "gone");
    assert_eq!(removed["sandboxes"][0]["cleanup"]["complete"], true);
}

#[test]
fn a_run_says_nothing_of_its_own() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["run", "--", "echo", "hello"]).succeeded();
    transcript.run(&["run", "local-net", "--", "sh", "-c", "exit 3"]).ended_with(3);
    transcript.run(&["run", "-e", "A=b c", "--ttl", "5m", "--", "sh", "-c", "echo $A; pwd"]).succeeded();
    transcript.run_with_input(&["run", "--", "tr", "a-z", "A-Z"], "from a pipe\n").succeeded();
    transcript.run(&["run", "--keep", "--name", "kept", "--", "true"]).succeeded();
    transcript.run(&["exec", "kept", "--", "echo", "still here"]).succeeded();
    transcript.run(&["rm", "kept"]).succeeded();
    transcript.run(&["ls"]).succeeded();
    transcript.matches("run");
}
