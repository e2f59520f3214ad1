//! Starts a supervisor and hears whether the agent runs.

use super::entry::SUPERVISOR_ARGUMENT;
use super::handover::{self, Answer, Descriptors, Specification};
use rustix::fd::{BorrowedFd, OwnedFd};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// A supervisor that was started and has not answered yet.
pub(crate) struct Starting {
    socket: tokio::net::UnixStream,
    /// Ends at once, once it has started the process that supervises.
    child: Child,
}

/// Starts a supervisor. What it is told waits for it in its stdin.
pub(crate) fn start(
    executable: &Path,
    specification: &Specification,
    descriptors: &Descriptors<BorrowedFd<'_>>,
) -> io::Result<Starting> {
    let (ours, theirs) = UnixStream::pair()?;
    handover::send(&ours, specification, descriptors)?;
    let child = Command::new(executable)
        .args([SUPERVISOR_ARGUMENT, specification.sandbox_id.as_str()])
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    ours.set_nonblocking(true)?;
    Ok(Starting { socket: tokio::net::UnixStream::from_std(ours)?, child })
}

impl Starting {
    /// Waits for the answer. `None` when the supervisor died without one.
    pub(crate) async fn answer(mut self) -> io::Result<Option<Answer>> {
        let mut text = Vec::new();
        match self.socket.read_to_end(&mut text).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => return Err(error),
        }
        self.child.wait().await?;
        Ok(serde_json::from_slice(&text).ok())
    }
}
