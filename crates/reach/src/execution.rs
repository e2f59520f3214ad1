//! Commands in a sandbox, seen from outside.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::ReachError;

/// A command to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// The program and its arguments. A program without a slash is looked up in the command's own PATH.
    pub argv: Vec<String>,
    /// Added to the user's environment.
    pub env: BTreeMap<String, String>,
    /// Working directory; relative to the user's home. The sandbox's own default when absent.
    pub cwd: Option<String>,
    /// The user to run as; the sandbox's default user when absent.
    pub user: Option<String>,
    /// A terminal of this size instead of pipes.
    pub pty: Option<WindowSize>,
    /// Whether the command gets a standard input; without, it reads the end of file at once.
    pub stdin: bool,
    /// A name by which other calls can select it.
    pub tag: Option<String>,
    /// After this time the sandbox kills the command's process group, whether or not anyone is connected.
    pub timeout: Option<Duration>,
    /// When the connection breaks, the command waits for so long before it says more than the sandbox keeps, so that
    /// [`Session::attach`](crate::Session::attach) goes on without a loss. At most a minute.
    pub linger: Option<Duration>,
    /// When the connection breaks, the command's process group is killed: nobody will come back for it. A session without
    /// an agent leaves that to the machine.
    pub tethered: bool,
}

impl ExecRequest {
    /// A command with nothing but its arguments.
    pub fn new<Argument: Into<String>>(argv: impl IntoIterator<Item = Argument>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// The size of a terminal, in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub cols: u16,
}

/// Output of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    /// From its standard output.
    Stdout(Bytes),
    /// From its standard error.
    Stderr(Bytes),
    /// From its terminal.
    Pty(Bytes),
    /// Output that was wanted and is not kept any more.
    Gap {
        /// The offset of the first byte that is lost.
        from: u64,
        /// The offset after the last.
        to: u64,
    },
}

impl ExecEvent {
    /// The offset behind this, when it began at `offset`.
    pub(crate) fn advance(&self, offset: u64) -> u64 {
        match self {
            Self::Stdout(bytes) | Self::Stderr(bytes) | Self::Pty(bytes) => offset + bytes.len() as u64,
            Self::Gap { to, .. } => *to,
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited by itself.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
        /// Whether it left a core.
        core_dumped: bool,
    },
}

impl ExitStatus {
    /// What a shell would report: the code, or 128 and the signal's number.
    pub fn shell_code(&self) -> i32 {
        match self {
            Self::Code(code) => *code,
            Self::Signal { signal, .. } => 128 + signal,
        }
    }

    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

/// What is known of a command when it is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Began {
    /// Its process id inside the sandbox.
    pub pid: u32,
    /// The offset in its output of what comes first.
    pub offset: u64,
    /// Whether it has a terminal instead of pipes.
    pub terminal: bool,
}

/// A command that is followed. Dropping it leaves the command running.
pub struct Execution {
    began: Began,
    offset: u64,
    events: Box<dyn ExecutionEvents>,
    input: InputHandle,
}

impl Execution {
    /// Assembled by a session from its parts.
    pub fn new(began: Began, events: Box<dyn ExecutionEvents>, control: Arc<dyn ExecutionControl>) -> Self {
        Self { began, offset: began.offset, events, input: InputHandle { control } }
    }

    /// Its process id inside the sandbox.
    pub fn pid(&self) -> u32 {
        self.began.pid
    }

    /// Whether it has a terminal.
    pub fn has_terminal(&self) -> bool {
        self.began.terminal
    }

    /// The offset behind what [`next_event`](Self::next_event) has given so far, in bytes of all its output: where
    /// [`Session::attach`](crate::Session::attach) goes on after the connection broke.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next piece of output; `None` once the command ended and all its output was given. May be dropped and
    /// called again without losing output.
    pub async fn next_event(&mut self) -> Result<Option<ExecEvent>, ReachError> {
        let event = self.events.next_event().await?;
        if let Some(event) = &event {
            self.offset = event.advance(self.offset);
        }
        Ok(event)
    }

    /// How it ended. Output that nobody took by [`next_event`](Self::next_event) is thrown away.
    pub async fn wait(&mut self) -> Result<ExitStatus, ReachError> {
        self.events.wait().await
    }

    /// A handle to its input, its terminal and its signals; clones share one order of input.
    pub fn input(&self) -> InputHandle {
        self.input.clone()
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { began, offset, .. } = self;
        formatter.debug_struct("Execution").field("began", began).field("offset", offset).finish_non_exhaustive()
    }
}

/// What goes into a running command. Cheap to clone; calls keep their order.
#[derive(Clone)]
pub struct InputHandle {
    control: Arc<dyn ExecutionControl>,
}

impl InputHandle {
    /// Writes to its standard input or terminal; waits while the command does not read. An earlier write's fault may
    /// only show here or in [`close_stdin`](Self::close_stdin).
    pub async fn write(&self, bytes: impl Into<Bytes> + Send) -> Result<(), ReachError> {
        self.control.write(bytes.into()).await
    }

    /// Ends its standard input once all that was written arrived. A terminal has no such end: write 0x04.
    pub async fn close_stdin(&self) -> Result<(), ReachError> {
        self.control.close_stdin().await
    }

    /// Changes the size of its terminal.
    pub async fn resize(&self, size: WindowSize) -> Result<(), ReachError> {
        self.control.resize(size).await
    }

    /// Sends a signal to its process group.
    pub async fn signal(&self, signal: i32) -> Result<(), ReachError> {
        self.control.signal(signal).await
    }
}

impl fmt::Debug for InputHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InputHandle").finish_non_exhaustive()
    }
}

/// What a session provides behind [`Execution`]'s output.
#[async_trait]
pub trait ExecutionEvents: Send {
    /// See [`Execution::next_event`].
    async fn next_event(&mut self) -> Result<Option<ExecEvent>, ReachError>;
    /// See [`Execution::wait`].
    async fn wait(&mut self) -> Result<ExitStatus, ReachError>;
}

/// What a session provides behind [`InputHandle`].
#[async_trait]
pub trait ExecutionControl: Send + Sync {
    /// See [`InputHandle::write`].
    async fn write(&self, bytes: Bytes) -> Result<(), ReachError>;
    /// See [`InputHandle::close_stdin`].
    async fn close_stdin(&self) -> Result<(), ReachError>;
    /// See [`InputHandle::resize`].
    async fn resize(&self, size: WindowSize) -> Result<(), ReachError>;
    /// See [`InputHandle::signal`].
    async fn signal(&self, signal: i32) -> Result<(), ReachError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_adds_128_to_a_signal() {
        assert_eq!(ExitStatus::Code(3).shell_code(), 3);
        assert_eq!(ExitStatus::Signal { signal: 9, core_dumped: false }.shell_code(), 137);
        assert!(ExitStatus::Code(0).success());
        assert!(!ExitStatus::Signal { signal: 15, core_dumped: false }.success());
    }

    #[test]
    fn offsets_count_bytes_and_what_is_lost() {
        assert_eq!(ExecEvent::Stdout(Bytes::from_static(b"abc")).advance(10), 13);
        assert_eq!(ExecEvent::Stderr(Bytes::new()).advance(10), 10);
        assert_eq!(ExecEvent::Gap { from: 10, to: 50 }.advance(10), 50);
    }
}
