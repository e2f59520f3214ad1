//! Collects ended processes: the agent's own commands and, as the sandbox's first process, everyone's orphans.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, wait, waitid, waitpid,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::status::Exit;

/// Knows which processes are awaited. All of it happens on the agent's one thread, so that a process cannot be
/// collected between its fork and [`Reaper::expect`], nor between a look and a signal.
pub(crate) struct Reaper {
    awaited: Mutex<HashMap<u32, oneshot::Sender<Exit>>>,
    everyone: bool,
}

/// Whom a signal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Process,
    Group,
}

impl Reaper {
    /// With `everyone`, collects orphans too.
    pub(crate) fn new(everyone: bool) -> Self {
        Self { awaited: Mutex::default(), everyone }
    }

    /// Collects from now on, on a task of its own. Must come before the first fork.
    pub(crate) fn watch(self: Arc<Self>) -> io::Result<()> {
        let mut children = signal(SignalKind::child())?;
        tokio::spawn(async move {
            while children.recv().await.is_some() {
                self.collect();
            }
        });
        Ok(())
    }

    /// The end of a process that was just forked.
    pub(super) fn expect(&self, pid: u32) -> oneshot::Receiver<Exit> {
        let (sender, receiver) = oneshot::channel();
        self.awaited().insert(pid, sender);
        receiver
    }

    /// Signals a process that was not collected yet, so that its number is still its own.
    pub(super) fn signal(&self, pid: u32, signal: i32, scope: Scope) -> io::Result<()> {
        let awaited = self.awaited();
        let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let (true, Some(target)) = (awaited.contains_key(&pid), target) else {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        };
        let signal = any_signal(signal)?;
        match scope {
            Scope::Process => kill_process(target, signal)?,
            Scope::Group => kill_process_group(target, signal)?,
        }
        Ok(())
    }

    /// Kills the groups of all commands that still run.
    pub(crate) fn kill_all(&self) {
        let pids: Vec<u32> = self.awaited().keys().copied().collect();
        for pid in pids {
            if let Err(error) = self.signal(pid, libc::SIGKILL, Scope::Group) {
                tracing::warn!(%error, pid, "cannot kill a command");
            }
        }
    }

    /// Whether what commands have left still runs, as far as it became ours.
    pub(crate) fn has_orphans(&self) -> bool {
        // No child is an error to the kernel; one that ended is collected in a moment.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.everyone && waitid(WaitId::All, look).is_ok()
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<Exit>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self) {
        if self.everyone {
            while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
                self.ended(pid, status.as_raw());
            }
            return;
        }
        let pids: Vec<u32> = self.awaited().keys().copied().collect();
        for pid in pids.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            if let Ok(Some((pid, status))) = waitpid(Some(pid), WaitOptions::NOHANG) {
                self.ended(pid, status.as_raw());
            }
        }
    }

    fn ended(&self, pid: Pid, status: i32) {
        let Some(exit) = Exit::from_wait(status) else { return };
        let awaiting = self.awaited().remove(&pid.as_raw_pid().unsigned_abs());
        if let Some(awaiting) = awaiting {
            // A command that could not start is awaited by nobody.
            awaiting.send(exit).ok();
        }
    }
}

/// Any number that Linux knows; real-time signals have no names.
fn any_signal(number: i32) -> io::Result<Signal> {
    if let Some(signal) = Signal::from_named_raw(number) {
        return Ok(signal);
    }
    if !(1..=64).contains(&number) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    #[allow(unsafe_code, reason = "rustix has no safe way to a signal without a name")]
    // SAFETY: the number is one of Linux's signals, and it is only sent, never handled.
    Ok(unsafe { Signal::from_raw_unchecked(number) })
}
