//! Processes, named so that a reused process id is never mistaken for the process that had it before.

use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::time::Timespec;
use sandboxer_types::Tether;
use serde::{Deserialize, Serialize};
use std::io;

/// A process id, and when the process started, in clock ticks after boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessName {
    /// Its process id.
    pub(crate) pid: i32,
    /// When it started.
    pub(crate) start_ticks: u64,
}

impl ProcessName {
    /// The name of a process that is there now.
    pub(crate) fn of(pid: Pid) -> io::Result<Self> {
        let pid = pid.as_raw_pid();
        Ok(Self { pid, start_ticks: start_ticks(pid)? })
    }

    /// A descriptor of the process. `None` when it is gone, though another may bear its id.
    pub(crate) fn open(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let descriptor = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            // Older kernels say of one that is just being reaped that it leads no group of threads.
            Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Asked after the descriptor was opened, so the answer is about the process it stands for, or about none.
        match start_ticks(self.pid) {
            Ok(ticks) if ticks == self.start_ticks => Ok(Some(descriptor)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl From<Tether> for ProcessName {
    fn from(tether: Tether) -> Self {
        Self { pid: i32::try_from(tether.pid).unwrap_or(0), start_ticks: tether.start_ticks }
    }
}

/// The 22nd field of `stat`; the second is the program's name, which may hold anything, spaces and brackets included.
fn start_ticks(pid: i32) -> io::Result<u64> {
    let text = std::fs::read(format!("/proc/{pid}/stat"))?;
    let text = String::from_utf8_lossy(&text);
    let after_name = text.rsplit_once(')').map(|(_, rest)| rest);
    after_name
        .and_then(|rest| rest.split_ascii_whitespace().nth(19))
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat reads unexpectedly")))
}

/// Whether the process of a descriptor has ended. One that only waits to be reaped has.
pub(crate) fn has_ended(process: impl AsFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(&process, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(rustix::event::poll(&mut polled, Some(&now))? > 0)
}

/// Kills the process of a descriptor. One that is gone already is as good as killed.
pub(crate) fn kill(process: impl AsFd) -> io::Result<()> {
    match rustix::process::pidfd_send_signal(process, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_too() {
        let own = ProcessName::of(rustix::process::getpid()).expect("this process is there");
        assert!(own.open().expect("opens").is_some());
        let reused = ProcessName { start_ticks: own.start_ticks + 1, ..own };
        assert!(reused.open().expect("opens").is_none());
        assert!(ProcessName { pid: 0, start_ticks: 0 }.open().expect("opens").is_none());
    }

    #[test]
    fn a_process_that_only_waits_to_be_reaped_has_ended() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("starts");
        let name = ProcessName::of(Pid::from_child(&child)).expect("is there");
        let descriptor = name.open().expect("opens").expect("lives");
        assert!(!has_ended(&descriptor).expect("polls"));
        kill(&descriptor).expect("is killed");
        let mut polled = [PollFd::new(&descriptor, PollFlags::IN)];
        rustix::event::poll(&mut polled, None).expect("polls");
        assert!(has_ended(&descriptor).expect("polls"));
        child.wait().expect("is reaped");
    }
}
