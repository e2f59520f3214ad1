//! The extension's process, line by line.

use crate::check::Stop;
use crate::transcript::Transcript;
use rustix::process::Signal;
use sandboxer_sdk::ProcessGroup;
use sandboxer_sdk::host::Program;
use sandboxer_sdk::wire::{FromExtension, LONGEST_LINE, Lines, Noise};
use sandboxer_types::Lifecycle;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio::sync::mpsc;

/// How long killed processes have to be gone.
const KILLING: Duration = Duration::from_secs(10);
/// How much is read at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// A process of the extension, and its group.
pub(crate) struct Peer {
    child: Child,
    group: ProcessGroup,
    input: Option<ChildStdin>,
    heard: mpsc::UnboundedReceiver<Heard>,
    transcript: Arc<Transcript>,
    lifecycle: Lifecycle,
}

/// What came out of it.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message.
    Message(Box<FromExtension>),
    /// A line that was meant as one, and why it is none.
    Broken(String),
    /// Its standard output has ended.
    End,
    /// Nothing, for as long as was waited.
    Silence,
}

impl Peer {
    /// Starts one.
    pub(crate) fn start(program: &Program, transcript: &Arc<Transcript>) -> Result<Self, Stop> {
        let cannot = |error: std::io::Error| {
            let shown = program.argv.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
            let hint = program.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
            Stop::failed(format!("`{shown}` cannot be started: {error}{hint}"))
        };
        let (name, arguments) = program.argv.split_first().ok_or_else(|| Stop::failed("it has no program"))?;
        let mut command = std::process::Command::new(name);
        command
            .args(arguments)
            .current_dir(&program.folder)
            .env_clear()
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(groups) = &program.groups {
            groups.note(&mut command);
        }
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().map_err(cannot)?;
        let missing = || Stop::failed("a stream of its process is missing");
        let group = child.id().and_then(ProcessGroup::of).ok_or_else(missing)?;
        let input = child.stdin.take().ok_or_else(missing)?;
        let (hears, heard) = mpsc::unbounded_channel();
        tokio::spawn(hear(child.stdout.take().ok_or_else(missing)?, hears, transcript.clone()));
        tokio::spawn(listen(child.stderr.take().ok_or_else(missing)?, transcript.clone()));
        Ok(Self {
            child,
            group,
            input: Some(input),
            heard,
            transcript: transcript.clone(),
            lifecycle: program.lifecycle,
        })
    }

    /// Its group.
    pub(crate) fn group(&self) -> ProcessGroup {
        self.group
    }

    /// Sends the beginning of a line, and nothing for a while.
    pub(crate) async fn send_slowly(&mut self, piece: &[u8], pause: Duration) {
        self.write(piece).await;
        tokio::time::sleep(pause).await;
    }

    /// Sends a line. A process of one request has all its input then. That it does not read any more shows in what it says.
    pub(crate) async fn send(&mut self, line: &[u8]) {
        self.transcript.sent(line);
        self.write(line).await;
        if !line.ends_with(b"\n") {
            self.write(b"\n").await;
        }
        if self.lifecycle == Lifecycle::Oneshot {
            self.input = None;
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        let Some(input) = &mut self.input else { return };
        let written = async {
            input.write_all(bytes).await?;
            input.flush().await
        };
        if let Err(error) = written.await {
            self.transcript.did(&format!("it reads no more: {error}"));
        }
    }

    /// Asks it to withdraw a call: by a line, or by a signal where it has no input any more.
    pub(crate) async fn cancel(&mut self, call: &str) -> Result<(), Stop> {
        if self.lifecycle == Lifecycle::Oneshot {
            self.transcript.did("SIGTERM to its group");
            return self.group.signal(Signal::TERM).map_err(|error| Stop::failed(format!("cannot signal it: {error}")));
        }
        let line = sandboxer_sdk::wire::cancel_line(call).map_err(|error| Stop::failed(error.to_string()))?;
        self.send(line.as_bytes()).await;
        Ok(())
    }

    /// The next thing it says.
    pub(crate) async fn next(&mut self, limit: Duration) -> Heard {
        match tokio::time::timeout(limit, self.heard.recv()).await {
            Ok(Some(heard)) => heard,
            Ok(None) => Heard::End,
            Err(_) => Heard::Silence,
        }
    }

    /// Ends its input.
    pub(crate) fn end_input(&mut self) {
        self.transcript.did("its input ends");
        self.input = None;
    }

    /// Waits for its own end. `None` when it goes on.
    pub(crate) async fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(limit, self.child.wait()).await.ok()?.ok()
    }

    /// Kills it with its group, as by kill -9, and waits until nothing of it lives.
    pub(crate) async fn kill(&mut self) -> Result<(), Stop> {
        let killed = self.group.kill(KILLING).await;
        // The leader is dead; waiting for it takes nothing but its number back.
        let waited = self.child.wait().await;
        killed.and(waited.map(drop)).map_err(|error| Stop::failed(format!("its process cannot be ended: {error}")))
    }

    /// How it ended, in words, once it has.
    pub(crate) async fn how_it_ended(&mut self) -> String {
        match self.ended(KILLING).await {
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("with exit status {code}"),
                (None, Some(signal)) => format!("by signal {signal}"),
                (None, None) => "in an unknown way".to_owned(),
            },
            None => "by closing its standard output, and goes on".to_owned(),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // One that was waited for has no number any more that could be signalled; its group may still have members.
        if let Err(error) = self.group.signal(Signal::KILL) {
            tracing::warn!(%error, "cannot kill an extension's process group");
        }
    }
}

async fn hear(mut output: impl AsyncRead + Unpin, hears: mpsc::UnboundedSender<Heard>, transcript: Arc<Transcript>) {
    let mut lines = Lines::new(LONGEST_LINE);
    let mut piece = vec![0; PIECE];
    // Whoever hears may have gone; then nothing needs to be told.
    while let Ok(length) = output.read(&mut piece).await {
        if length == 0 {
            break;
        }
        lines.push(&piece[..length]);
        loop {
            let heard = match lines.next_line() {
                Ok(None) => break,
                Ok(Some(b"")) => continue,
                Ok(Some(line)) => {
                    transcript.received(line);
                    match FromExtension::hear(line) {
                        Ok(message) => Heard::Message(Box::new(message)),
                        Err(Noise::Broken(why)) => Heard::Broken(why),
                        Err(Noise::Printed) => {
                            transcript.printed(line);
                            continue;
                        }
                    }
                }
                Err(fault) => {
                    drop(hears.send(Heard::Broken(fault.to_string())));
                    return;
                }
            };
            if hears.send(heard).is_err() {
                return;
            }
        }
    }
    let rest = lines.rest();
    if !rest.is_empty() {
        transcript.printed(rest);
    }
    drop(hears.send(Heard::End));
}

async fn listen(mut errors: impl AsyncRead + Unpin, transcript: Arc<Transcript>) {
    let mut lines = Lines::new(PIECE);
    let mut piece = vec![0; PIECE];
    while let Ok(length) = errors.read(&mut piece).await {
        if length == 0 {
            break;
        }
        lines.push(&piece[..length]);
        loop {
            match lines.next_line() {
                Ok(Some(line)) => transcript.said(line),
                Ok(None) => break,
                Err(_) => {
                    let rest = lines.rest().to_vec();
                    transcript.said(&rest);
                    break;
                }
            }
        }
    }
}
