//! Syncs that break off.

use std::time::Duration;

use sandboxer_reach::sync::{SyncOptions, sync};
use sandboxer_reach::{PlainSession, ReachErrorKind as Kind, SshMaster};

use crate::support::pattern;
use crate::support::sshd::Machine;
use crate::{Place, look, write};

/// A program of that name in front of the real one.
fn in_front(machine: &Machine, name: &str, script: &str) {
    let programs = machine.home().join("programs");
    write(programs.join(name), format!("#!/bin/sh\n{script}\n"));
    crate::chmod(programs.join(name), 0o755);
    std::fs::write(machine.home().join(".bashrc"), format!("PATH={}:$PATH\n", programs.display())).unwrap();
}

fn plain(machine: &Machine) -> PlainSession {
    PlainSession::new(SshMaster::new(machine.settings(), machine.destination()).unwrap())
}

#[tokio::test]
async fn a_cut_at_any_byte_is_made_good() {
    let machine = Machine::start();
    let root = tempfile::tempdir().unwrap();
    let (here, there) = (root.path().join("here"), root.path().join("there"));
    for number in 0..4 {
        write(here.join(format!("{number}/file")), pattern(20_000 + number));
        std::os::unix::fs::symlink("/elsewhere", here.join(format!("{number}/link"))).unwrap();
    }
    for cut in (0..100_000).step_by(3_777) {
        in_front(&machine, "tar", &format!("head -c {cut} | /usr/bin/tar \"$@\"; cat >/dev/null; exit 1"));
        let outcome = sync(&plain(&machine), &here, there.to_str().unwrap(), &SyncOptions::default()).await;
        assert_eq!(outcome.unwrap_err().kind(), Kind::Precondition);
        // As it is on a machine with the same clock: nothing but contents could tell the difference.
        in_front(&machine, "tar", "exec /usr/bin/tar \"$@\"");
        sync(&plain(&machine), &here, there.to_str().unwrap(), &SyncOptions::default()).await.unwrap();
        assert_eq!(look(&there), look(&here), "cut at {cut}");
        // What arrived of a sync that broke off is known, and goes when it is gone here.
        for number in 0..4 {
            write(here.join(format!("{number}/file")), pattern(20_000 + number + cut));
        }
    }
}

#[tokio::test]
async fn what_arrived_before_a_cut_is_removed_when_it_is_gone_here() {
    let machine = Machine::start();
    let root = tempfile::tempdir().unwrap();
    let (here, there) = (root.path().join("here"), root.path().join("there"));
    write(here.join("old"), "x");
    sync(&plain(&machine), &here, there.to_str().unwrap(), &SyncOptions::default()).await.unwrap();
    write(here.join("new"), pattern(5000));
    in_front(&machine, "tar", "/usr/bin/tar \"$@\"; exit 1");
    sync(&plain(&machine), &here, there.to_str().unwrap(), &SyncOptions::default()).await.unwrap_err();
    assert!(there.join("new").exists());
    in_front(&machine, "tar", "exec /usr/bin/tar \"$@\"");
    std::fs::remove_file(here.join("new")).unwrap();
    sync(&plain(&machine), &here, there.to_str().unwrap(), &SyncOptions::default()).await.unwrap();
    assert_eq!(look(&there), look(&here));
}

#[tokio::test]
async fn programs_that_lack_or_fail_are_told() {
    let machine = Machine::start();
    let root = tempfile::tempdir().unwrap();
    let here = root.path().join("here");
    write(here.join("file"), pattern(2_000_000));
    for (script, kind) in [
        ("echo 'tar: x: Cannot write: No space left on device' >&2; exit 2", Kind::Exhausted),
        ("cat >/dev/null; echo 'tar: x: Cannot open: Permission denied' >&2; exit 2", Kind::PermissionDenied),
        ("exit 9", Kind::Precondition),
    ] {
        in_front(&machine, "tar", script);
        let there = root.path().join("there");
        let error = sync(&plain(&machine), &here, there.to_str().unwrap(), &SyncOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let programs = machine.home().join("programs");
    std::fs::remove_file(programs.join("tar")).unwrap();
    for name in ["sh", "find", "wc", "rm", "mv", "mkdir", "head", "dd", "cat"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{name}"), programs.join(name)).unwrap();
    }
    std::fs::write(machine.home().join(".bashrc"), format!("PATH={}\n", programs.display())).unwrap();
    let there = root.path().join("bare");
    let error = sync(&plain(&machine), &here, there.to_str().unwrap(), &SyncOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_sync_that_nobody_waits_for_any_more_ends_there() {
    let place = Place::agent().await;
    write(place.here("large"), pattern(8_000_000));
    let target = place.there("");
    let began = async {
        while !target.join("large").exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        // What is already under way may be quicker than we are.
        outcome = place.sync() => drop(outcome),
        () = began => {}
    }
    let ended = async {
        while place.session.commands().await.unwrap().iter().any(|command| command.ending.is_none()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
    place.same().await;
}
