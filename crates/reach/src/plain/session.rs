//! The session itself: what a shell can do of what sessions can.

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::Mutex;

use super::files::{self, bytes, simple};
use super::gate::Gate;
use super::shell::{Output, Piece, Shell};
use crate::ssh::SshMaster;
use crate::{
    Began, ByteStream, CommandInfo, Content, Entry, Events, ExecEvent, ExecRequest, Execution, ExecutionControl,
    ExecutionEvents, ExitStatus, Extent, Pace, Port, ProcessSelector, ReachError, ReachErrorKind as Kind, Session,
    SignalScope, Target, WatchEvent, WindowSize, WriteOptions,
};

/// A session by the shell of a machine, for where no agent runs.
///
/// Commands have pipes only, run as whoever logs in, and cannot be followed later: one whose connection breaks, or whose
/// [`Execution`] is dropped, goes on without its streams. A command that a signal ended has the code that a shell
/// gives it, 128 and the signal's number. Files are read, written whole, moved and removed; renames and links want GNU's
/// programs or busybox. All else is `Unsupported`.
#[derive(Debug, Clone)]
pub struct PlainSession {
    gate: Gate,
}

impl PlainSession {
    /// By that connection, which is made when it is first needed.
    pub fn new(master: SshMaster) -> Self {
        Self { gate: Gate { master: Some(master), enter: Vec::new() } }
    }

    /// By a shell of a sandbox, which those words enter from that machine; from this one for `None`.
    pub fn inside(master: Option<SshMaster>, enter: Vec<String>) -> Self {
        Self { gate: Gate { master, enter } }
    }
}

fn unsupported<Answer>(what: &str) -> Result<Answer, ReachError> {
    let message = format!("a machine's shell alone cannot {what}");
    Err(ReachError::new(Kind::Unsupported, message).with_hint("put the agent there"))
}

fn as_oneself(user: Option<&str>) -> Result<(), ReachError> {
    user.map_or(Ok(()), |_| unsupported("act as another user"))
}

fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && !name.is_empty() && !name.starts_with(|first: char| first == '_' || first.is_ascii_digit())
}

#[async_trait]
impl Session for PlainSession {
    async fn health(&self) -> Result<(), ReachError> {
        simple(&self.gate, &[b"nothing"]).await
    }

    async fn exec(&self, request: ExecRequest) -> Result<Execution, ReachError> {
        as_oneself(request.user.as_deref())?;
        if request.pty.is_some() {
            return unsupported("give a terminal");
        }
        if request.timeout.is_some() {
            return unsupported("end a command in time");
        }
        if request.argv.is_empty() {
            return Err(ReachError::new(Kind::InvalidInput, "there is no command to run"));
        }
        if let Some(name) = request.env.keys().find(|name| !is_name(name)) {
            return Err(ReachError::new(Kind::InvalidInput, format!("a shell cannot set the variable `{name}`")));
        }
        let variables: Vec<String> = request.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (count, cwd) = (variables.len().to_string(), request.cwd.unwrap_or_default());
        let mut words = vec![cwd.as_bytes(), if request.stdin { b"1" } else { b"0" }, count.as_bytes()];
        words.extend(variables.iter().chain(&request.argv).map(String::as_bytes));
        let mut shell = Shell::call(&self.gate, "exec", &words).await?;
        let pid = shell.word.parse().map_err(|_| ReachError::protocol("the shell named no process"))?;
        let stdin = shell.stdin.take().filter(|_| request.stdin);
        let control = Control { pid, stdin: Mutex::new(stdin), session: self.clone() };
        let began = Began { pid, offset: 0, terminal: false };
        Ok(Execution::new(began, Box::new(Following { output: shell.output, ended: None }), Arc::new(control)))
    }

    async fn attach(&self, _: &ProcessSelector, _: Option<u64>, _: Pace) -> Result<Execution, ReachError> {
        unsupported("follow a command that it did not start")
    }

    async fn kept_output(&self, _: &ProcessSelector, _: u64) -> Result<Events<ExecEvent>, ReachError> {
        unsupported("keep output")
    }

    async fn commands(&self) -> Result<Vec<CommandInfo>, ReachError> {
        unsupported("list commands")
    }

    async fn signal(&self, process: &ProcessSelector, signal: i32, scope: SignalScope) -> Result<(), ReachError> {
        let ProcessSelector::Pid(pid) = process else { return unsupported("select a command by a tag") };
        if scope == SignalScope::Group {
            return unsupported("tell a command's processes from others");
        }
        if !(1..=64).contains(&signal) {
            return Err(ReachError::new(Kind::InvalidInput, format!("there is no signal {signal}")));
        }
        simple(&self.gate, &[b"signal", pid.to_string().as_bytes(), signal.to_string().as_bytes()]).await
    }

    async fn wait(&self, _: &ProcessSelector) -> Result<ExitStatus, ReachError> {
        unsupported("wait for a command that it did not start")
    }

    async fn stat(&self, _: &Path, _: Option<&str>) -> Result<Entry, ReachError> {
        unsupported("describe files")
    }

    async fn list(&self, _: &Path, _: Option<&str>) -> Result<Vec<Entry>, ReachError> {
        unsupported("describe files")
    }

    async fn make_dir(&self, path: &Path, user: Option<&str>) -> Result<(), ReachError> {
        as_oneself(user)?;
        simple(&self.gate, &[b"folder", bytes(path)]).await
    }

    async fn rename(&self, from: &Path, to: &Path, user: Option<&str>) -> Result<(), ReachError> {
        as_oneself(user)?;
        simple(&self.gate, &[b"rename", bytes(from), bytes(to)]).await
    }

    async fn remove(&self, path: &Path, user: Option<&str>) -> Result<(), ReachError> {
        as_oneself(user)?;
        simple(&self.gate, &[b"remove", bytes(path)]).await
    }

    async fn read(&self, path: &Path, user: Option<&str>) -> Result<Content, ReachError> {
        as_oneself(user)?;
        files::read(&self.gate, path).await
    }

    async fn write(
        &self,
        path: &Path,
        options: WriteOptions,
        content: BoxStream<'static, io::Result<Bytes>>,
        user: Option<&str>,
    ) -> Result<(), ReachError> {
        as_oneself(user)?;
        files::write(&self.gate, path, options, content).await
    }

    async fn read_extents(&self, _: &Path, _: Option<&str>) -> Result<Events<Extent>, ReachError> {
        unsupported("tell holes from zeros")
    }

    async fn write_extents(
        &self,
        _: &Path,
        _: WriteOptions,
        _: BoxStream<'static, io::Result<Extent>>,
        _: Option<&str>,
    ) -> Result<(), ReachError> {
        unsupported("leave holes")
    }

    async fn set_mode(&self, path: &Path, mode: u32, user: Option<&str>) -> Result<(), ReachError> {
        as_oneself(user)?;
        simple(&self.gate, &[b"mode", bytes(path), format!("{mode:o}").as_bytes()]).await
    }

    async fn make_symlink(&self, path: &Path, target: &Path, user: Option<&str>) -> Result<(), ReachError> {
        as_oneself(user)?;
        simple(&self.gate, &[b"symlink", bytes(path), bytes(target)]).await
    }

    async fn make_hard_link(&self, path: &Path, existing: &Path, user: Option<&str>) -> Result<(), ReachError> {
        as_oneself(user)?;
        simple(&self.gate, &[b"link", bytes(path), bytes(existing)]).await
    }

    async fn watch(&self, _: &Path, _: bool, _: Option<&str>) -> Result<Events<WatchEvent>, ReachError> {
        unsupported("watch folders")
    }

    async fn ports(&self) -> Result<Vec<Port>, ReachError> {
        unsupported("list ports")
    }

    async fn connect(&self, _: &Target, _: Option<&str>) -> Result<Box<dyn ByteStream>, ReachError> {
        unsupported("connect to ports")
    }
}

/// The output of a command.
struct Following {
    output: Output,
    ended: Option<i32>,
}

#[async_trait]
impl ExecutionEvents for Following {
    async fn next_event(&mut self) -> Result<Option<ExecEvent>, ReachError> {
        if self.ended.is_some() {
            return Ok(None);
        }
        match self.output.next().await? {
            Piece::Out(bytes) => Ok(Some(ExecEvent::Stdout(bytes))),
            Piece::Error(bytes) => Ok(Some(ExecEvent::Stderr(bytes))),
            Piece::End(code) => {
                self.ended = Some(code);
                Ok(None)
            }
        }
    }

    async fn wait(&mut self) -> Result<ExitStatus, ReachError> {
        loop {
            match self.ended {
                Some(code) => return Ok(ExitStatus::Code(code)),
                None => drop(self.next_event().await?),
            }
        }
    }
}

/// The input of a command.
struct Control {
    pid: u32,
    stdin: Mutex<Option<ChildStdin>>,
    session: PlainSession,
}

#[async_trait]
impl ExecutionControl for Control {
    async fn write(&self, bytes: Bytes) -> Result<(), ReachError> {
        let mut stdin = self.stdin.lock().await;
        let closed = || ReachError::new(Kind::InputClosed, "the command takes no input");
        let stdin = stdin.as_mut().ok_or_else(closed)?;
        stdin.write_all(&bytes).await.map_err(|error| closed().with_source(error))
    }

    async fn close_stdin(&self) -> Result<(), ReachError> {
        let taken = self.stdin.lock().await.take();
        taken.map(drop).ok_or_else(|| ReachError::new(Kind::InputClosed, "the command takes no input"))
    }

    async fn resize(&self, _: WindowSize) -> Result<(), ReachError> {
        unsupported("give a terminal")
    }

    async fn signal(&self, signal: i32) -> Result<(), ReachError> {
        self.session.signal(&ProcessSelector::Pid(self.pid), signal, SignalScope::Process).await
    }
}
