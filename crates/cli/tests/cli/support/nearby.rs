//! A sandbox of a test, and what the test knows of it from outside.

use super::house::House;
use super::running::Outcome;
use super::wait::until;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::path::PathBuf;

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

    pub(crate) fn folder(&self) -> PathBuf {
        self.house.local().join(&self.id)
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

    /// The process that the file `name` in its folder tells of.
    fn process(&self, name: &str) -> OwnedFd {
        let text = std::fs::read_to_string(self.folder().join(name)).expect("a living sandbox has it");
        let record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let process = record.get("process").unwrap_or(&record);
        let pid = process["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        pidfd_open(pid.expect("a process"), PidfdFlags::empty()).expect("it lives")
    }

    /// Kills the process outside that looks after it.
    pub(crate) fn kill_supervisor(&self) {
        pidfd_send_signal(self.process("supervisor"), Signal::KILL).expect("it lives");
    }

    /// Kills the first process inside.
    pub(crate) fn kill_agent(&self) {
        pidfd_send_signal(self.process("init"), Signal::KILL).expect("it lives");
    }
}
