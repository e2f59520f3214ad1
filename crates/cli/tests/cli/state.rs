//! A state directory that is damaged, too new, not there or not ours.

use crate::support::{House, Transcript, Who, words};
use std::path::Path;

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

/// Databases with a write-ahead log, such as the store, and with a journal, such as most.
const WRITE_AHEAD: u8 = 2;
const ROLL_BACK: u8 = 1;

/// A database of one empty page, with whatever version and mark.
fn database(version: u32, mark: &[u8; 4], journal: u8) -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[16..24].copy_from_slice(&[0x10, 0, journal, journal, 0, 64, 32, 32]);
    page[28..32].copy_from_slice(&1_u32.to_be_bytes());
    page[44..48].copy_from_slice(&4_u32.to_be_bytes());
    page[56..60].copy_from_slice(&1_u32.to_be_bytes());
    page[60..64].copy_from_slice(&version.to_be_bytes());
    page[68..72].copy_from_slice(mark);
    page[100] = 13;
    page[105..107].copy_from_slice(&[0x10, 0]);
    page
}

/// Puts something else in the store's place, sees that it is refused and left as it is, and that the store is fine again
/// once it is back.
fn refused_and_left_alone(name: &str, status: i32, contents: &[u8]) {
    let house = House::new(Who::Caller);
    house.run(&["ls"]).succeeded();
    let (store, aside) = (house.state().join("store.sqlite"), house.path("aside"));
    std::fs::create_dir(&aside).expect("ours");
    move_store(&house.state(), &aside);
    std::fs::write(&store, contents).expect("ours");
    let mut transcript = Transcript::new(&house);
    for typed in ["ls", "create local", "rm --all", "reconcile", "events", "run -- true"] {
        let expected = if typed.starts_with("run") { 125 } else { status };
        transcript.run(&words(typed)).ended_with(expected);
    }
    assert!(std::fs::read(&store).expect("still there") == contents, "it was changed");
    for entry in std::fs::read_dir(house.state()).expect("there").flatten() {
        if entry.file_type().expect("there").is_file() {
            std::fs::remove_file(entry.path()).expect("ours");
        }
    }
    move_store(&aside, &house.state());
    transcript.note("the store is back");
    transcript.run(&["ls"]).succeeded();
    transcript.matches(name);
}

/// The store is several files while it is open.
fn move_store(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("there").flatten() {
        if entry.file_name().to_string_lossy().starts_with("store.sqlite") {
            std::fs::rename(entry.path(), to.join(entry.file_name())).expect("ours");
        }
    }
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    refused_and_left_alone("store-newer", 4, &database(99, b"SBXS", WRITE_AHEAD));
}

#[test]
fn another_programs_database_is_left_alone() {
    refused_and_left_alone("store-foreign", 1, &database(3, b"OTHR", ROLL_BACK));
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    refused_and_left_alone("store-not-a-database", 1, &b"no database at all\n".repeat(300));
}

#[test]
fn a_store_cut_short_is_left_alone() {
    let mut cut = database(1, b"SBXS", WRITE_AHEAD);
    cut.truncate(700);
    refused_and_left_alone("store-cut-short", 1, &cut);
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
