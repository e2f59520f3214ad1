//! One process of an extension, with its group, its streams and its end.

use super::program::Program;
use crate::ProcessGroup;
use rustix::process::{PidfdFlags, Signal, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;

/// How long a killed group may take to be gone.
const KILLING: Duration = Duration::from_secs(10);
/// How long a program is waited for that another process is just writing.
const TEXT_BUSY: Duration = Duration::from_secs(2);

/// A process. When it is dropped its group is killed.
pub(super) struct ChildProcess {
    child: Child,
    /// Readable once the process has ended, which leaves its number taken until it is waited for.
    end: AsyncFd<OwnedFd>,
    group: ProcessGroup,
}

/// The ends of its streams that are here.
pub(super) struct ChildStreams {
    pub(super) input: pipe::Sender,
    pub(super) output: pipe::Receiver,
    pub(super) errors: pipe::Receiver,
}

impl ChildProcess {
    /// Starts the program in a group of its own.
    pub(super) async fn start(program: &Program) -> io::Result<(Self, ChildStreams)> {
        let (first, rest) = program.argv.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
        let mut command = Command::new(first);
        command
            .args(rest)
            .env_clear()
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&program.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(groups) = &program.groups {
            groups.note(&mut command);
        }
        let mut child = spawn(&mut command).await?;
        let prepared = Self::prepare(&mut child);
        match prepared {
            Ok((end, group, streams)) => Ok((Self { child, end, group }, streams)),
            Err(error) => {
                // It has done nothing yet that would have to be waited for.
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    fn prepare(child: &mut Child) -> io::Result<(AsyncFd<OwnedFd>, ProcessGroup, ChildStreams)> {
        let missing = || io::Error::other("a stream of the process is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        let streams = ChildStreams {
            input: pipe::Sender::from_owned_fd(input.into())?,
            output: pipe::Receiver::from_owned_fd(output.into())?,
            errors: pipe::Receiver::from_owned_fd(errors.into())?,
        };
        let group = ProcessGroup::of(child.id()).ok_or_else(|| io::Error::other("it has no process group"))?;
        let pid = rustix::process::Pid::from_child(child);
        let end = readiness(pidfd_open(pid, PidfdFlags::NONBLOCK)?)?;
        Ok((end, group, streams))
    }

    /// Waits until the process has ended. Its group's number stays taken until [`Self::bury`].
    pub(super) async fn ended(&self) -> io::Result<()> {
        self.end.readable().await.map(drop)
    }

    /// Sends a signal to the whole group.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        self.group.signal(signal)
    }

    /// Kills what is left of the group, waits until nobody of it lives, and tells how the process ended.
    pub(super) async fn bury(&mut self) -> io::Result<ExitStatus> {
        self.group.kill(KILLING).await?;
        self.child.wait()
    }

    /// How much memory the process itself holds, in bytes.
    pub(super) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = resident.split_ascii_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // A process that was waited for has no number any more that could be signalled.
        if matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = self.group.signal(Signal::KILL)
        {
            tracing::warn!(%error, "cannot kill an extension's process group");
        }
    }
}

fn readiness(end: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[allow(unsafe_code, reason = "the safe way is deprecated, since it takes descriptors that may be closed")]
    // SAFETY: the descriptor is owned by what is registered, which gives out no way to replace or close it.
    let registered = unsafe { AsyncFd::register_with_interest(end, tokio::io::Interest::READABLE) };
    registered.map_err(|error| error.into_parts().1)
}

/// A program that is being written cannot be run; that is over soon, or it is a fault.
async fn spawn(command: &mut Command) -> io::Result<Child> {
    let end = tokio::time::Instant::now() + TEXT_BUSY;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tokio::time::Instant::now() < end => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            spawned => return spawned,
        }
    }
}

/// How a process ended, in words.
pub(super) fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("with exit status {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "in an unknown way".to_owned(),
    }
}
