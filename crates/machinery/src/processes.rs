//! Processes of this machine, as the kernel tells of them.

use crate::wait::until_ended;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;

/// A process that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// As this process sees it.
    pub pid: u32,
    /// Its arguments, with a space between each two.
    pub command: String,
}

impl Process {
    /// All of this machine.
    pub fn all() -> impl Iterator<Item = Self> {
        all().filter_map(process)
    }

    /// Sends it a signal; nothing where it has ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = handle(self.pid) {
            // It may end in this very moment.
            pidfd_send_signal(&process, signal).unwrap_or_default();
        }
    }
}

/// Whether tests run with the rights that hosts and engines need.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Kills a process and waits for its end, whoever its parent is.
pub fn end(pid: u32) {
    let Some(process) = handle(pid) else { return };
    if pidfd_send_signal(&process, Signal::KILL).is_ok() {
        until_ended(&process);
    }
}

/// Whether it is an ssh server or one of its sessions, which at first bear the server's own words.
pub(crate) fn is_sshd(process: &Process) -> bool {
    let first = process.command.split(' ').next().unwrap_or_default();
    first == "sshd:" || first.ends_with("/sshd")
}

/// A handle on a process, if it is there.
pub(crate) fn handle(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()
}

/// The numbers of all processes.
pub(crate) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("readable").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// One process, unless it has ended.
pub(crate) fn process(pid: u32) -> Option<Process> {
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
    // Nothing stands there once it is dead and only waits for its parent.
    (!words.is_empty()).then_some(Process { pid, command: words })
}

/// The processes that have that one as their parent.
pub(crate) fn children(parent: u32) -> Vec<Process> {
    numbers_of_children(parent).into_iter().filter_map(process).collect()
}

/// The same by number, those too that are becoming another program at this moment and have no arguments then.
pub(crate) fn numbers_of_children(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| field(*pid, "PPid").is_some_and(|value| value == parent.to_string());
    all().filter(is_child).collect()
}

/// What the kernel says of a process under that name.
pub(crate) fn field(pid: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let start = format!("{name}:");
    status.lines().find_map(|line| Some(line.strip_prefix(&start)?.trim().to_owned()))
}
