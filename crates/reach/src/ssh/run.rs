//! Running `ssh` itself, to its end.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

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
    tokio::time::timeout(limit, command.spawn()?.wait()).await?
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
