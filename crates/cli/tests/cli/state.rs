//! A state directory that is not there yet, or cannot be one.

use crate::support::{House, Transcript, Who, words};

#[test]
fn an_empty_state_directory_is_made_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    for typed in [
        "ls",
        "ls --json",
        "ls --all --quiet",
        "events",
        "events --json",
        "reconcile",
        "reconcile --dry-run",
        "reconcile --json",
        "orphans",
        "orphans --json",
        "orphans --sweep",
        "rm --all",
        "rm --all --json",
    ] {
        transcript.run(&words(typed)).succeeded();
    }
    let fresh = house.work().join("deep/below");
    house.run(&["ls", "--state-dir", "deep/below"]).succeeded();
    let mode = std::fs::metadata(&fresh).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    transcript.matches("nothing-yet");
}

#[test]
fn a_folder_in_the_stores_place_is_said() {
    let house = House::new(Who::Caller);
    std::fs::create_dir(house.state().join("store.sqlite")).expect("ours");
    let mut transcript = Transcript::new(&house);
    transcript.run(&["ls"]).ended_with(1);
    transcript.matches("store-is-a-folder");
}

#[test]
fn a_file_in_the_state_directorys_place_is_said() {
    let house = House::new(Who::Caller);
    house.write("taken", "");
    let mut transcript = Transcript::new(&house);
    transcript.run(&["ls", "--state-dir", "taken"]).ended_with(1);
    transcript.run(&["ls", "--state-dir", "taken/below"]).ended_with(1);
    transcript.run(&["ls", "--state-dir", "/proc/nowhere"]);
    transcript.matches("state-is-a-file");
}

#[test]
fn without_a_home_it_is_said_what_to_set() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    let mut command = house.command(&["ls"]);
    command.env_remove("HOME").env_remove("XDG_CONFIG_HOME").env_remove("SANDBOXER_STATE");
    let outcome = crate::support::Running::start(command, None).finish();
    transcript.record(&["ls"], "env -i ", &outcome);
    outcome.ended_with(4);
    let mut command = house.command(&["ls"]);
    command.env_remove("HOME").env_remove("XDG_CONFIG_HOME");
    command.env("XDG_STATE_HOME", house.path("xdg-state")).env("XDG_CONFIG_HOME", house.path("xdg-config"));
    let outcome = crate::support::Running::start(command, None).finish();
    transcript.record(&["ls"], "env -i XDG_STATE_HOME=… XDG_CONFIG_HOME=… ", &outcome);
    outcome.succeeded();
    transcript.matches("without-a-home");
}
