//! A store that is damaged, too new or somebody else's. It is refused and left alone, and so are the sandboxes.

use crate::support::{House, Transcript, Who, words};
use std::path::Path;

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
    let mut transcript = Transcript::new(&house);
    transcript.run(&["create", "local", "--name", "before"]).succeeded();
    let (store, aside) = (house.state().join("store.sqlite"), house.path("aside"));
    std::fs::create_dir(&aside).expect("ours");
    move_store(&house.state(), &aside);
    std::fs::write(&store, contents).expect("ours");
    transcript.note("something else is in the store's place");
    for typed in ["ls", "create local", "rm --all", "reconcile", "events", "run -- true", "exec before -- true"] {
        let expected = if typed.ends_with("true") { 125 } else { status };
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
    transcript.run(&["exec", "before", "--", "echo", "still here"]).succeeded();
    transcript.run(&["rm", "before"]).succeeded();
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
