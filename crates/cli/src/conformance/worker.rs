//! The parent's side: it starts a worker and waits for its end.

use super::runs::Run;
use crate::error::{CommandResult, local_fault};
use crate::interrupt::Interrupts;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this status.
    Exited(u8),
    /// By this signal, and without having removed what it made.
    Killed(i32),
}

/// Starts this command once more as the worker of `run`, hands on to it what signals come, and waits for its end.
pub(crate) async fn supervise(run: &Run, interrupts: &Interrupts) -> CommandResult<Ending> {
    let mut signals = interrupts.take();
    let mut command = Command::new("/proc/self/exe");
    command.args(std::env::args_os().skip(1)).arg(format!("--worker={}", run.id())).stdin(Stdio::piped());
    let mut child = command.spawn().map_err(|error| local_fault("start a process for the suite", &error))?;
    let mut control = child.stdin.take();
    loop {
        tokio::select! {
            ended = child.wait() => {
                let status = ended.map_err(|error| local_fault("wait for the suite's process", &error))?;
                return Ok(ending(status));
            }
            Some(number) = signals.recv() => tell(&mut control, number).await,
        }
    }
}

async fn tell(control: &mut Option<ChildStdin>, number: i32) {
    let Some(input) = control else { return };
    // One that does not listen any more is about to end.
    if let Err(error) = input.write_all(&[u8::try_from(number).unwrap_or_default()]).await {
        tracing::debug!(%error, "the worker does not listen");
        *control = None;
    }
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code().and_then(|code| u8::try_from(code).ok()), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Killed(signal.unwrap_or_default()),
    }
}
