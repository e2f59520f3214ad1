//! Running `ssh` itself, to its end.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

/// How it ended and what it said.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) said: String,
}

/// Starts a connection that goes on in the background; ends when it is there. It belongs to no terminal, so that neither
/// it nor what the configuration makes it start can ask anything there or is hit by a Ctrl-C.
pub(super) async fn detached(
    program: &Path,
    arguments: Vec<OsString>,
    log: File,
    limit: Duration,
) -> io::Result<ExitStatus> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").current_dir("/").kill_on_drop(true);
    // What a jump host's `ssh` says belongs into the log, too.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    #[allow(unsafe_code, reason = "what runs between fork and exec has no safe form")]
    // SAFETY: `setsid` is a system call that may be made between fork and exec.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
    }
    let mut child = command.spawn()?;
    // Dropped before the child: its number is its own until then.
    let unfinished = Unfinished(child.id());
    let status = tokio::time::timeout(limit, child.wait()).await?;
    unfinished.finish();
    status
}

/// Ends, when dropped, all that `ssh` has started: a proxy of the configuration's does not end with it.
struct Unfinished(Option<u32>);

impl Unfinished {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let leader = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let Some(leader) = leader else { return };
        if let Err(error) = kill_process_group(leader, Signal::KILL) {
            tracing::warn!(%error, "cannot end what ssh started");
        }
    }
}

/// Runs one command to its end.
pub(super) async fn through(program: &Path, arguments: Vec<OsString>, limit: Duration) -> io::Result<Ended> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true).process_group(0);
    let output = tokio::time::timeout(limit, command.output()).await??;
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stdout));
    Ok(Ended { status: output.status, said })
}
