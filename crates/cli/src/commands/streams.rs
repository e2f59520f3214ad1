//! A command inside, with its streams joined to ours.
#![allow(clippy::disallowed_methods, reason = "what a command inside prints is passed on as it is")]

use super::Session;
use super::joined::Joined;
use crate::error::{CommandResult, local_fault};
use crate::ui::Output;
use bytes::Bytes;
use sandboxer_broker::Entrance;
use sandboxer_reach::{ExecEvent, ExecRequest, ExitStatus, InputHandle, ReachError, ReachErrorKind};
use std::io::{ErrorKind, Read, Write};
use std::process::ExitCode;
use tokio::sync::{mpsc, watch};

/// How much of our standard input is read at once.
const CHUNK: usize = 64 * 1024;

/// A command as the sandbox's profile wants it run.
pub(crate) fn request(entrance: &Entrance, command: Vec<String>) -> ExecRequest {
    let mut request = ExecRequest::new(command);
    request.env.clone_from(&entrance.profile.env);
    let reachability = entrance.status.reachability.as_ref();
    let beside = || reachability.and_then(|reachability| reachability.starting_folder()).map(str::to_owned);
    request.cwd = entrance.profile.workdir.clone().or_else(beside);
    request
}

/// Runs it with its streams joined to ours.
pub(crate) async fn run(session: &Session<'_>, entrance: &Entrance, request: ExecRequest) -> CommandResult<ExitCode> {
    session.progress.clear();
    let wants_input = request.stdin;
    match Joined::start(session, entrance, request).await {
        Ok(joined) => follow(session, joined, wants_input).await,
        Err(error) => not_started(session, error),
    }
}

/// Joins a command's streams to ours until it ends, and hands signals on to it.
pub(super) async fn follow(
    session: &Session<'_>,
    mut joined: Joined<'_>,
    wants_input: bool,
) -> CommandResult<ExitCode> {
    let mut signals = session.interrupts.take();
    let feeding = wants_input.then(|| tokio::spawn(feed(read_stdin(), joined.inputs())));
    let outcome = loop {
        tokio::select! {
            event = joined.next_event() => match event? {
                Some(event) => pass_on(session.output, &event)?,
                None => break joined.wait().await,
            },
            Some(number) = signals.recv() => match joined.input().signal(number).await {
                Ok(()) => {}
                // It ended at the same moment.
                Err(error) if error.kind() == ReachErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            },
        }
    };
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    Ok(exit_code(outcome?))
}

/// A command that could not start ends with what a shell would say, where a shell would say something.
pub(super) fn not_started(session: &Session<'_>, error: ReachError) -> CommandResult<ExitCode> {
    match error.shell_code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => {
            session.output.not_started(&error.to_string());
            Ok(ExitCode::from(code))
        }
        None => Err(error.into()),
    }
}

/// The status to end with: the command's own, 128 + N for signal N.
pub(super) fn exit_code(status: ExitStatus) -> ExitCode {
    ExitCode::from(u8::try_from(status.shell_code()).unwrap_or(u8::MAX))
}

/// Writes output where it belongs. Whoever stopped reading ours is not an error of the command's.
pub(super) fn pass_on(output: &Output, event: &ExecEvent) -> CommandResult<()> {
    let written = match event {
        ExecEvent::Stdout(bytes) | ExecEvent::Pty(bytes) => write_all(std::io::stdout().lock(), bytes),
        ExecEvent::Stderr(bytes) => write_all(std::io::stderr().lock(), bytes),
        ExecEvent::Gap { from, to } => {
            output.warning(&format!("bytes {from} to {to} of the output are not kept any more"));
            Ok(())
        }
    };
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(local_fault("pass on the output", &error).into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_all(mut stream: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// Reads our standard input on a thread of its own: there is no way to read a terminal or a file without waiting.
pub(super) fn read_stdin() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        loop {
            match std::io::stdin().lock().read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    if sender.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot read the standard input");
                    return;
                }
            }
        }
    });
    receiver
}

/// Hands our standard input over. What is under way when the connection breaks is not sent again: nobody can know how
/// much of it arrived.
async fn feed(mut stdin: mpsc::Receiver<Bytes>, mut inputs: watch::Receiver<InputHandle>) {
    while let Some(bytes) = stdin.recv().await {
        let input = inputs.borrow_and_update().clone();
        match input.write(bytes).await {
            Ok(()) => {}
            Err(error) if error.kind() == ReachErrorKind::Unreachable => {
                tracing::warn!("the connection broke: some of the input may be lost");
                if inputs.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the command takes no more input");
                return;
            }
        }
    }
    loop {
        let input = inputs.borrow_and_update().clone();
        match input.close_stdin().await {
            Err(error) if error.kind() == ReachErrorKind::Unreachable && inputs.changed().await.is_ok() => {}
            Err(error) => return tracing::debug!(%error, "the command's input was closed already"),
            Ok(()) => return,
        }
    }
}
