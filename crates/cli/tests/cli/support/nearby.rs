//! A sandbox of a test, and what the test knows of it from outside.

use super::house::House;
use super::leftovers::{self, FoundProcess};
use super::running::Outcome;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use sandboxer_machinery::{ends_within, until};
use std::path::PathBuf;
use std::time::Duration;

/// Splits what stands between spaces, as a person types it. None of them can hold a space.
pub(crate) fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

/// A ready sandbox.
pub(crate) struct Sandbox<'a> {
    house: &'a House,
    pub(crate) id: String,
}

impl<'a> Sandbox<'a> {
    /// Makes one: `arguments` are those of `create`.
    #[track_caller]
    pub(crate) fn create(house: &'a House, arguments: &str) -> Self {
        let mut typed = vec!["create"];
        typed.extend(words(arguments));
        let id = house.run(&typed).succeeded().text().trim().to_owned();
        Self { house, id }
    }

    /// One that is being made elsewhere.
    pub(crate) fn known(house: &'a House, id: &str) -> Self {
        Self { house, id: id.to_owned() }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.house.local().join(&self.id)
    }

    /// The agent's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        let shown = self.house.run(&["show", &self.id, "--json"]).succeeded().json();
        let address = shown["reachability"]["agent"].as_str().expect("an agent").to_owned();
        address.strip_prefix("unix:").expect("a socket").into()
    }

    /// Runs a shell script inside.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> Outcome {
        self.house.run(&["exec", &self.id, "--", "sh", "-c", script])
    }

    /// Removes it.
    #[track_caller]
    pub(crate) fn remove(self) {
        self.house.run(&["rm", &self.id]).succeeded();
        assert!(!self.folder().exists());
    }

    /// Waits until nothing of it is left, with no sand-boxer running.
    #[track_caller]
    pub(crate) fn vanishes(&self) {
        until("the sandbox's folder is gone", || (!self.folder().exists()).then_some(()));
        until("nothing is left", || self.house.leftovers().is_empty().then_some(()));
    }

    /// Kills the process outside that looks after it.
    pub(crate) fn kill_supervisor(&self) {
        self.kill(|process| process.command.contains("local-supervisor"));
    }

    /// Kills the first process inside.
    pub(crate) fn kill_agent(&self) {
        self.kill(|process| process.is_first_inside);
    }

    /// Kills the process, once there is one, and waits for its end.
    fn kill(&self, is_it: impl Fn(&FoundProcess) -> bool) {
        let mark = [self.id.clone()];
        let pid = until("the process is there", || {
            leftovers::processes(&mark).into_iter().find(|process| is_it(process)).map(|process| process.pid)
        });
        let pid = Pid::from_raw(pid).expect("not 0");
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if kill_process(pid, Signal::KILL).is_ok() {
            assert!(ends_within(&process, Duration::from_secs(10)), "not even this ends it");
        }
    }
}
