//! Who works on what, told by locks that the kernel drops with the process that holds them, and what is still at work
//! for a process that is gone.
//!
//! A process holds a lock on a file of its own for life. In that file it lists the process groups that it starts: they
//! may outlive it and finish what they were told. A child writes itself down between `fork` and `exec`, and until `exec`
//! it shares the very lock of its parent. So once the lock is free, every group that runs anything is listed.

mod process_lock;
mod processes;
#[cfg(test)]
mod tests;

pub use process_lock::ProcessLock;
pub use processes::FileLocks;

use crate::state::ProcessId;
use async_trait::async_trait;
use sandboxer_types::{Failure, Tether};

/// Tells whether processes still live, and sees to it that the dead ones do nothing any more.
#[async_trait]
pub trait Liveness: Send + Sync {
    /// Whether a process that works on sandboxes lives.
    fn is_alive(&self, process: &ProcessId) -> bool;

    /// Whether a process that a sandbox is tethered to lives.
    fn tether_is_alive(&self, tether: &Tether) -> bool;

    /// Ends what a dead process has started and what is still at work for it. Once this returns, nothing that process had
    /// begun is finished behind anybody's back. When something does not end, the failure is as [`is_unburied`] knows it.
    async fn bury(&self, process: &ProcessId) -> Result<(), Failure>;

    /// Buries every dead process, and forgets it.
    async fn sweep(&self) -> Result<(), Failure>;
}

/// The member of a failure's details that names the process group which does not end.
const PROCESS_GROUP: &str = "process_group";

/// Whether a claim failed because what a dead process has started does not end, and not because another was faster.
pub(crate) fn is_unburied(failure: &Failure) -> bool {
    failure.details.contains_key(PROCESS_GROUP)
}

/// When a process started, in clock ticks after boot; `None` when there is no such process, or only its zombie.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces and parentheses of its own.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // starttime is field 22 of proc_pid_stat(5); the state was field 3.
    fields.nth(18)?.parse().ok()
}
