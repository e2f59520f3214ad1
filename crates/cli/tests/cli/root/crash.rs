//! The real program, killed at random instants: whatever it was doing, what lives afterwards is what the store says lives,
//! and a removal of all leaves nothing.
//!
//! The seed is shown when a test fails; `SANDBOXER_TEST_SEED` repeats it.

use crate::support::{House, Sandbox, Who, until};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

/// Random numbers that a seed repeats: the generator splitmix64.
pub(super) struct Random(u64);

impl Random {
    #[allow(clippy::disallowed_methods, reason = "a test is told its seed from outside")]
    pub(super) fn new() -> Self {
        let given = std::env::var("SANDBOXER_TEST_SEED").ok().map(|seed| seed.parse().expect("a number"));
        let seed = given.unwrap_or_else(|| std::hash::RandomState::new().hash_one(()));
        // The test's own output, which is shown when it fails.
        std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("SANDBOXER_TEST_SEED={seed}\n")).expect("open");
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An instant within that time.
    pub(super) fn within(&mut self, span: Duration) -> Duration {
        let nanoseconds = u64::try_from(span.as_nanos()).expect("short").max(1);
        Duration::from_nanos(self.next() % nanoseconds)
    }
}

/// A command, killed over and over.
struct Killing {
    house: House,
    random: Random,
    span: Duration,
}

impl Killing {
    /// `span` is how long the command takes that is to be killed; some are killed too late, which must not matter either.
    fn new(undisturbed: impl Fn(&House)) -> Self {
        let house = House::new(Who::Caller);
        undisturbed(&house);
        let start = Instant::now();
        undisturbed(&house);
        Self { span: start.elapsed().mul_f64(1.2), house, random: Random::new() }
    }

    /// Runs a command and kills it at a random instant.
    fn kill(&mut self, arguments: &[&str]) {
        let delay = self.random.within(self.span);
        let running = self.house.start(arguments);
        if !running.ends_within(delay) {
            running.signal(Signal::KILL);
        }
        self.house.noted(running.finish());
        self.is_dead();
    }

    /// A process that was killed while it started another has left its lock to that one, which drops it when it becomes
    /// another program: a moment later.
    fn is_dead(&self) {
        until("nobody holds a lock", || {
            let mut locks = std::fs::read_dir(self.house.state().join("processes")).expect("there").flatten();
            let is_free = |path| match std::fs::File::open(path) {
                Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockShared).is_ok(),
                Err(_) => true,
            };
            locks.all(|entry| is_free(entry.path())).then_some(())
        });
    }

    /// The sandboxes that are ready, all others being gone.
    fn comes_together(&self) -> BTreeSet<String> {
        self.house.run(&["reconcile"]).succeeded();
        let listed = self.house.run(&["ls", "--json"]).succeeded().json();
        let mut ready = BTreeSet::new();
        for sandbox in listed["sandboxes"].as_array().expect("a list") {
            assert_eq!(sandbox["state"], "ready", "neither ready nor gone: {sandbox}");
            ready.insert(sandbox["sandbox_id"].as_str().expect("an id").to_owned());
        }
        assert_eq!(self.living(), ready, "what lives is not what is said to be ready");
        ready
    }

    fn living(&self) -> BTreeSet<String> {
        let folders = std::fs::read_dir(self.house.local()).expect("there").flatten();
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    fn remove_all(&self) {
        self.house.run(&["rm", "--all"]).succeeded();
        let left = self.house.leftovers();
        assert!(left.is_empty(), "left behind: {left:#?}");
        assert_eq!(self.house.run(&["orphans"]).succeeded().text(), "no orphans\n");
    }

    /// Kills again and again; now and then, everything is removed.
    fn repeat(mut self, times: usize, mut round: impl FnMut(&mut Self)) {
        for number in 0..times {
            round(&mut self);
            for id in self.comes_together() {
                self.house.run(&["exec", &id, "--", "true"]).succeeded();
            }
            if number % 8 == 7 {
                self.remove_all();
            }
        }
        self.remove_all();
    }
}

fn create_and_remove(house: &House) {
    Sandbox::create(house, "local").remove();
}

#[test]
fn create() {
    let killing = Killing::new(|house| drop(Sandbox::create(house, "local")));
    killing.repeat(45, |killing| killing.kill(&["create", "local"]));
}

#[test]
fn run() {
    let killing = Killing::new(|house| drop(house.run(&["run", "--", "true"]).succeeded()));
    killing.repeat(45, |killing| killing.kill(&["run", "--", "true"]));
}

#[test]
fn remove() {
    let killing = Killing::new(create_and_remove);
    killing.repeat(35, |killing| {
        let id = Sandbox::create(&killing.house, "local").id;
        killing.kill(&["rm", &id]);
    });
}

#[test]
fn extend() {
    let mut killing = Killing::new(|house| drop(Sandbox::create(house, "local --ttl 1h")));
    let kept = Sandbox::create(&killing.house, "local --name kept").id;
    for _ in 0..25 {
        killing.kill(&["extend", "kept", "2h"]);
        assert!(killing.comes_together().contains(&kept));
    }
    killing.house.run(&["exec", "kept", "--", "true"]).succeeded();
    killing.remove_all();
}

#[test]
fn reconcile() {
    let killing = Killing::new(|house| drop(Sandbox::create(house, "local")));
    killing.repeat(20, |killing| {
        killing.kill(&["create", "local"]);
        let id = Sandbox::create(&killing.house, "local").id;
        killing.kill(&["rm", &id]);
        killing.kill(&["reconcile"]);
    });
}

/// Starts a create and kills one of the sandbox's processes at a random instant of it or soon after.
fn kill_a_process(times: usize, kill: impl Fn(&Sandbox<'_>)) {
    let killing = Killing::new(|house| drop(Sandbox::create(house, "local")));
    let mut number = 0;
    killing.repeat(times, |killing| {
        number += 1;
        let id = format!("victim-{}-{number:03}", std::process::id());
        let delay = killing.random.within(killing.span);
        let running = killing.house.start(&["create", "local", "--id", &id]);
        running.ends_within(delay);
        kill(&Sandbox::known(&killing.house, &id));
        running.finish();
    });
}

#[test]
fn supervisor() {
    kill_a_process(15, |victim| victim.kill_supervisor());
}

#[test]
fn agent() {
    kill_a_process(15, |victim| {
        victim.kill_agent();
        // The supervisor sees to that by itself.
        until("its folder is gone", || (!victim.folder().exists()).then_some(()));
    });
}
