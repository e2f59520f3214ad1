//! A network namespace of a test's own.

use rustix::process::{Pid, Signal, kill_process};
use sandboxer_machinery::until;
use std::path::Path;
use std::process::{Command, Output};

const PREFIX: &str = "sandboxer-e2b-";

/// A network namespace; at its end every process in it is ended, too.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        remove_abandoned();
        let namespace = Self { name: format!("{PREFIX}{}", std::process::id()) };
        ip(&["netns", "add", &namespace.name]);
        ip(&["-netns", &namespace.name, "link", "set", "lo", "up"]);
        namespace
    }

    /// A command that runs inside, and knows nothing of the caller's environment.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("LANG", "C.UTF-8");
        command
    }

    /// Whether somebody listens inside on this port of 127.0.0.1.
    pub(crate) fn listens(&self, port: u16) -> bool {
        const LISTENING: &str = "0A";
        let output = self.command("cat").arg("/proc/net/tcp").output().expect("ip runs");
        let wanted = format!("0100007F:{port:04X}");
        String::from_utf8_lossy(&output.stdout).lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns.get(1) == Some(&wanted.as_str()) && columns.get(3) == Some(&LISTENING)
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// What tests left that were killed.
fn remove_abandoned() {
    for entry in std::fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX);
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            remove(&name);
        }
    }
}

/// Ends all that is in a namespace, and removes it.
fn remove(name: &str) {
    until("the namespace is empty", || {
        let pids = run(&["netns", "pids", name]);
        let pids = String::from_utf8_lossy(&pids.stdout);
        let pids: Vec<Pid> = pids.lines().filter_map(|pid| Pid::from_raw(pid.trim().parse().ok()?)).collect();
        for pid in &pids {
            // One that has just ended is as good.
            kill_process(*pid, Signal::KILL).ok();
        }
        pids.is_empty().then_some(())
    });
    run(&["netns", "delete", name]);
}

fn run(arguments: &[&str]) -> Output {
    Command::new("ip").args(arguments).output().expect("ip runs")
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let output = run(arguments);
    assert!(output.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
}
