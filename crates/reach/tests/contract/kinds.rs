//! Every kind of session there is.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use sandboxer_agent::{Listen, Options};
use sandboxer_reach::{
    AccessToken, AgentSession, ByteStream, Connector, Doorway, ProcessStream, Session, SessionOptions, Ssh, Tcp,
    UnixSocket,
};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::bench::Kind;
use crate::support::sshd::Machine;
use crate::support::{Agent, Details, agent_folder, end_daemon, is_root, own_name, player};

type Start = fn() -> Box<dyn Kind>;

pub(crate) fn all() -> Vec<(&'static str, Start)> {
    vec![
        ("unix", unix as Start),
        ("tcp", tcp),
        ("stdio", stdio),
        ("relay", relay),
        ("ssh", ssh),
        ("ssh_forwarded", ssh_forwarded),
        ("ssh_inside", ssh_inside),
    ]
}

/// An agent behind a connector.
struct AgentKind {
    connector: Box<dyn Connector>,
    options: SessionOptions,
    folder: PathBuf,
    opens_more: bool,
    /// Whatever has to live as long as the sandbox.
    _keep: Box<dyn Send + Sync>,
}

#[async_trait]
impl Kind for AgentKind {
    async fn open(&self) -> Arc<dyn Session> {
        Arc::new(AgentSession::connect(self.connector.as_ref(), self.options.clone()).await.unwrap())
    }

    fn opens_more(&self) -> bool {
        self.opens_more
    }

    async fn open_breaking(&self, after: u64) -> Option<Arc<dyn Session>> {
        let breaking = Breaking { connector: self.connector.as_ref(), after };
        let stream = breaking.connect().await.unwrap();
        let session = AgentSession::over(stream, self.options.clone()).await.unwrap();
        self.opens_more.then(|| Arc::new(session) as Arc<dyn Session>)
    }

    fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    fn other_user(&self) -> Option<&str> {
        is_root().then_some("nobody")
    }
}

fn unix() -> Box<dyn Kind> {
    let folder = agent_folder();
    let agent = Agent::start_with(|options| options.workdir = Some(folder.path().to_owned()));
    Box::new(AgentKind {
        connector: Box::new(UnixSocket(agent.socket())),
        options: SessionOptions::default(),
        folder: folder.path().canonicalize().unwrap(),
        opens_more: true,
        _keep: Box::new((agent, folder)),
    })
}

fn tcp() -> Box<dyn Kind> {
    let (agent, address) = Agent::start_on_tcp("a secret");
    Box::new(AgentKind {
        connector: Box::new(Tcp(address)),
        options: SessionOptions { token: Some(AccessToken::new("a secret")), lease: None },
        folder: agent.folder().canonicalize().unwrap(),
        opens_more: true,
        _keep: Box::new(agent),
    })
}

fn options(listen: Listen, folder: &Path) -> Options {
    let mut options = Options::new(listen, own_name());
    options.workdir = Some(folder.to_owned());
    // Should nobody be left to end it.
    options.leave_when_idle = Some(Duration::from_secs(30));
    options
}

/// The arguments of a child in that role: `env` hands it what a test's child is told.
fn argv(role: &str, details: &Details) -> Vec<std::ffi::OsString> {
    let command = player(role, details);
    let variables = command.get_envs().map(|(name, value)| {
        let mut variable = name.to_owned();
        variable.push("=");
        variable.push(value.unwrap_or_default());
        variable
    });
    let mut argv = vec!["env".into()];
    argv.extend(variables);
    argv.push(command.get_program().to_owned());
    argv
}

fn stdio() -> Box<dyn Kind> {
    let folder = agent_folder();
    let details = Details::new(options(Listen::Stdio, folder.path()));
    Box::new(AgentKind {
        connector: Box::new(ProcessStream::new(argv("agent", &details))),
        options: SessionOptions::default(),
        folder: folder.path().canonicalize().unwrap(),
        // Each connection is an agent of its own.
        opens_more: false,
        _keep: Box::new(folder),
    })
}

fn relay() -> Box<dyn Kind> {
    let (folder, place) = (agent_folder(), agent_folder());
    let pid_file = place.path().join("pid");
    let details = Details {
        relay: Some((place.path().join("agent.sock"), Some("a-mark".to_owned()))),
        pid_file: Some(pid_file.clone()),
        ..Details::new(options(Listen::InheritedFd(0), folder.path()))
    };
    // A login that says something before, without an end of the line.
    let noisy = ["sh".into(), "-c".into(), "printf 'Welcome!\\nYou have mail. '; exec \"$@\"".into(), "sh".into()];
    let argv = noisy.into_iter().chain(argv("relay", &details));
    Box::new(AgentKind {
        connector: Box::new(ProcessStream::new(argv).after_mark("a-mark")),
        options: SessionOptions::default(),
        folder: folder.path().canonicalize().unwrap(),
        opens_more: true,
        _keep: Box::new(Daemon { pid_file, _folders: [folder, place] }),
    })
}

/// The daemon that a relay started.
struct Daemon {
    pid_file: PathBuf,
    _folders: [TempDir; 2],
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end_daemon(&self.pid_file);
    }
}

fn on_a_machine(connector: impl FnOnce(Ssh) -> Box<dyn Connector>) -> Box<dyn Kind> {
    let machine = Machine::start();
    let folder = agent_folder();
    Box::new(AgentKind {
        connector: connector(machine.ssh(folder.path())),
        options: SessionOptions::default(),
        folder: folder.path().canonicalize().unwrap(),
        opens_more: true,
        _keep: Box::new((machine, folder)),
    })
}

fn ssh() -> Box<dyn Kind> {
    on_a_machine(|ssh| Box::new(ssh.without_forwarding()))
}

fn ssh_forwarded() -> Box<dyn Kind> {
    on_a_machine(|ssh| Box::new(Forwarded(ssh)))
}

/// A sandbox that is entered from its machine, by words that a shell would read otherwise.
fn ssh_inside() -> Box<dyn Kind> {
    let enter = ["env", "INSIDE=it's $(inside)"].map(str::to_owned).to_vec();
    let door = Doorway { sandbox: "sbx01".parse().unwrap(), enter, agent_path: None };
    on_a_machine(|ssh| Box::new(ssh.into_sandbox(door)))
}

/// Connections by the forwarded socket alone.
#[derive(Debug)]
struct Forwarded(Ssh);

impl fmt::Display for Forwarded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

#[async_trait]
impl Connector for Forwarded {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        if let Ok(stream) = self.0.forwarded().await {
            return Ok(stream);
        }
        // The first one starts the agent.
        let relayed = self.0.relayed().await.map_err(io::Error::other)?;
        let stream = self.0.forwarded().await.map_err(io::Error::other);
        drop(relayed);
        stream
    }
}

/// A connector whose connections break after so many bytes from the other side.
#[derive(Debug)]
struct Breaking<'a> {
    connector: &'a dyn Connector,
    after: u64,
}

impl fmt::Display for Breaking<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.connector, formatter)
    }
}

#[async_trait]
impl Connector for Breaking<'_> {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        Ok(Box::new(BreakingStream { stream: self.connector.connect().await?, left: self.after }))
    }
}

struct BreakingStream {
    stream: Box<dyn ByteStream>,
    left: u64,
}

impl AsyncRead for BreakingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        // Small, so that it breaks where it should.
        let room = buffer.remaining().min(usize::try_from(self.left).unwrap_or(usize::MAX)).min(4096);
        let mut part = vec![0; room];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        self.left -= part.filled().len() as u64;
        buffer.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BreakingStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
