use super::*;
use sandboxer_sdk::{PROCESS_VARIABLE, ProcessGroup};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

struct Place {
    folder: tempfile::TempDir,
    locks: FileLocks,
}

/// A program that a process has started, reaped at the test's end.
struct Started(Child);

impl Started {
    fn group(&self) -> ProcessGroup {
        ProcessGroup::of(self.0.id()).expect("a group")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.0.kill().expect("a child");
        self.0.wait().expect("a child");
    }
}

fn id(name: &str) -> ProcessId {
    ProcessId(name.to_owned())
}

fn start(owner: &str) -> Started {
    let mut command = Command::new("sleep");
    Started(command.arg("1000").env(PROCESS_VARIABLE, owner).process_group(0).spawn().expect("sleep starts"))
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { locks: FileLocks::new(folder.path().to_owned()), folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What is left of a process that was killed.
    fn left_by(&self, name: &str, listed: &str) {
        std::fs::write(self.path().join(name), listed).expect("writable");
    }

    fn knows(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }
}

#[tokio::test]
async fn a_lock_lives_as_long_as_its_holder() {
    let place = Place::new();
    assert!(!place.locks.is_alive(&id("one")));
    let lock = ProcessLock::take(place.path(), id("one")).expect("free");
    assert!(place.locks.is_alive(&id("one")));
    place.locks.sweep().await.expect("readable");
    assert!(place.knows("one"), "a living process is not swept");
    drop(lock);
    assert!(!place.locks.is_alive(&id("one")));
    assert!(!place.knows("one"), "it has removed its lock itself");
    place.left_by("dead", "");
    place.locks.sweep().await.expect("readable");
    assert!(!place.knows("dead"));
}

#[tokio::test]
async fn what_a_dead_process_has_started_is_ended_and_nothing_else() {
    let place = Place::new();
    let (ours, also_ours, others) = (start("dead"), start("dead"), start("other"));
    let listed = format!("{}\n\n{}\nnonsense\n1\n0\n{}\n", ours.0.id(), others.0.id(), also_ours.0.id());
    place.left_by("dead", &listed);
    place.locks.bury(&id("dead")).await.expect("they end");
    assert!(!ours.group().lives() && !also_ours.group().lives());
    assert!(others.group().lives(), "a number that another program has by now");
    place.locks.bury(&id("dead")).await.expect("buried twice");
    place.locks.bury(&id("never-was")).await.expect("there is nothing to bury");
}

#[tokio::test]
async fn a_list_that_was_cut_short_hides_nobody() {
    let place = Place::new();
    let ours = start("dead");
    // The write before fell short, and the program did not run; the next one began with a line feed.
    place.left_by("dead", &format!("12\n{}", ours.0.id()));
    place.locks.bury(&id("dead")).await.expect("it ends");
    assert!(!ours.group().lives());
}

#[tokio::test]
async fn a_sweep_buries_first() {
    let place = Place::new();
    let ours = start("dead");
    place.left_by("dead", &format!("{}\n", ours.0.id()));
    place.locks.sweep().await.expect("it ends");
    assert!(!ours.group().lives());
    assert!(!place.knows("dead"));
}

#[test]
fn a_process_that_ends_leaves_its_file_while_something_it_started_lives() {
    let place = Place::new();
    let lock = ProcessLock::take(place.path(), id("one")).expect("free");
    let ours = start("one");
    lock.groups().expect("its file is there").write_all(format!("{}\n", ours.0.id()).as_bytes()).expect("room");
    drop(lock);
    assert!(place.knows("one"));
    assert!(!place.locks.is_alive(&id("one")), "whoever comes next buries it");

    let lock = ProcessLock::take(place.path(), id("two")).expect("free");
    let gone = start("two");
    lock.groups().expect("its file is there").write_all(format!("{}\n", gone.0.id()).as_bytes()).expect("room");
    drop(gone);
    drop(lock);
    assert!(!place.knows("two"));
}

#[tokio::test]
async fn a_sweep_takes_no_lock_away_that_is_just_being_taken() {
    let place = Place::new();
    for round in 0..200 {
        let name = format!("process-{round}");
        let (folder, taken) = (place.path().to_owned(), id(&name));
        let taking = std::thread::spawn(move || ProcessLock::take(&folder, taken).expect("free"));
        place.locks.sweep().await.expect("readable");
        let lock = taking.join().expect("no panic");
        place.locks.sweep().await.expect("readable");
        assert!(place.locks.is_alive(&id(&name)), "its file was swept, and it did not notice");
        drop(lock);
    }
}

#[test]
fn a_child_that_does_not_run_its_program_yet_counts_as_its_parent() {
    let place = Place::new();
    let lock = ProcessLock::take(place.path(), id("one")).expect("free");
    let ours = start("one");
    lock.groups().expect("its file is there").write_all(format!("{}\n", ours.0.id()).as_bytes()).expect("room");
    // What a child has between `fork` and `exec`: the parent's descriptor, not one of its own.
    let inherited = lock.held().try_clone().expect("a descriptor");
    drop(lock);
    assert!(place.locks.is_alive(&id("one")), "it may not have written itself down yet");
    drop(inherited);
    assert!(!place.locks.is_alive(&id("one")));
}

#[test]
fn a_tether_is_one_process_and_no_other_of_its_number() {
    let pid = std::process::id();
    let ticks = start_ticks(pid).expect("this process lives");
    let place = Place::new();
    assert!(place.locks.tether_is_alive(&Tether { pid, start_ticks: ticks }));
    assert!(!place.locks.tether_is_alive(&Tether { pid, start_ticks: ticks + 1 }));
}
