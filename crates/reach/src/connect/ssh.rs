//! The agent of a machine that is reached by `ssh`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{ByteStream, Connector, Joined, ProcessStream};
use crate::ssh::{AgentPlace, AgentProgram, Site, SshMaster, bootstrap, relay_inside, shell_inside};
use crate::{Doorway, ReachError, ReachErrorKind};

/// Time for the agent to answer by the forwarded socket. A relay takes over afterwards.
const PING: Duration = Duration::from_secs(2);
/// Asked of the agent on a connection that ends with it.
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// Begins an answer that all is well, whether it has a body or not.
const WELL: &[u8] = b"HTTP/1.1 2";

/// The agent of a machine, put there and started where it lacks. It stays when the connection ends, with all its
/// commands, and leaves when nobody needs it any more.
///
/// Once the agent has answered by a relay, its socket is forwarded: later connections, of other processes too, use that,
/// which needs neither a process nor a login shell. It is trusted only after an answer, as a machine that forbids forwarding
/// takes the request all the same; the relay remains where it fails.
#[derive(Debug)]
pub struct Ssh {
    master: SshMaster,
    agent: AgentProgram,
    place: AgentPlace,
    door: Option<Doorway>,
    forwarding: bool,
}

/// A relay that answers, and the agent's socket on the machine, if it is one of the machine's.
struct Relay {
    stream: Joined,
    socket: Option<String>,
}

impl Ssh {
    /// That agent on that machine.
    pub fn new(master: SshMaster, agent: AgentProgram, place: AgentPlace) -> Self {
        Self { master, agent, place, door: None, forwarding: true }
    }

    /// The agent of a sandbox that is on that machine.
    #[must_use]
    pub fn into_sandbox(mut self, door: Doorway) -> Self {
        // What is inside has sockets that ssh cannot see.
        self.forwarding &= door.enter.is_empty();
        self.door = Some(door);
        self
    }

    /// Every connection is a relay's.
    #[must_use]
    pub fn without_forwarding(mut self) -> Self {
        self.forwarding = false;
        self
    }

    /// The connection that everything goes through.
    pub fn master(&self) -> &SshMaster {
        &self.master
    }

    /// A connection by the forwarded socket, where the agent answers by it. Nothing is started.
    ///
    /// # Errors
    ///
    /// `Unreachable` where nothing is forwarded, or there is no connection to the machine any more; `ForwardingRefused`
    /// where the machine passes nothing on, or its agent has left; `Precondition` where others can use the
    /// connection's folder.
    pub async fn forwarded(&self) -> Result<Box<dyn ByteStream>, ReachError> {
        let nobody = |error: Box<dyn Error + Send + Sync>| {
            let message = format!("nothing of `{self}` is forwarded");
            ReachError::new(ReachErrorKind::Unreachable, message).with_source(error)
        };
        let socket = match self.socket() {
            // There has been no connection to any machine yet.
            Err(error) if error.kind() == ReachErrorKind::Local => return Err(nobody(error.into())),
            socket => socket?,
        };
        let stream = UnixStream::connect(&socket).await.map_err(|error| nobody(error.into()))?;
        // Each time, as the agent may have left since: whoever comes to the socket is let in all the same.
        ping(stream).await.map_err(|error| {
            let message = format!("the agent of `{self}` does not answer by its forwarded socket");
            ReachError::new(ReachErrorKind::ForwardingRefused, message)
                .with_hint("`AllowStreamLocalForwarding` of the machine's ssh server decides whether it can")
                .with_source(error)
        })?;
        Ok(Box::new(UnixStream::connect(&socket).await.map_err(|error| nobody(error.into()))?))
    }

    /// A connection by a relay of its own.
    ///
    /// # Errors
    ///
    /// As [`SshMaster::open`]; `AgentCannotRun` or `Exhausted` where the agent cannot be put there.
    pub async fn relayed(&self) -> Result<Box<dyn ByteStream>, ReachError> {
        self.master.open().await?;
        let relayed = match self.bootstrap(self.master.session()).await {
            Err(error) if error.kind() == ReachErrorKind::Busy => {
                tracing::debug!(%error, "a connection of its own is used");
                return Ok(Box::new(self.bootstrap(self.master.alone()).await?.stream));
            }
            Err(error) if self.may_be_lost(&error).await => {
                tracing::debug!(%error, "a lost connection is made again");
                self.master.reopen().await?;
                self.bootstrap(self.master.session()).await?
            }
            other => other?,
        };
        if let Some(socket) = relayed.socket.as_ref().filter(|_| self.forwarding) {
            self.forward(&self.socket()?, socket).await;
        }
        Ok(Box::new(relayed.stream))
    }

    /// Whether the connection is to blame: it was lost since, or nobody had noticed that it is.
    async fn may_be_lost(&self, error: &ReachError) -> bool {
        match error.kind() {
            ReachErrorKind::Unreachable => true,
            // Else the login shell is slow.
            ReachErrorKind::Deadline => !self.master.says_it_runs().await,
            _ => false,
        }
    }

    async fn bootstrap(&self, through: ProcessStream) -> Result<Relay, ReachError> {
        let program = through.open().await.map_err(|error| ReachError::local("cannot run ssh", error))?;
        let site = Site { destination: Some(self.master.destination()), silence: self.master.settings().silence };
        let Some(door) = &self.door else { return self.put(program, &site).await };
        match door.relay() {
            Some(words) => Ok(Relay { stream: relay_inside(program, &site, &words).await?, socket: None }),
            None if door.enter.is_empty() => self.put(program, &site).await,
            None => self.put(shell_inside(program, &site, &door.enter).await?, &site).await,
        }
    }

    /// By the agent that is put where that shell is.
    async fn put(&self, shell: Joined, site: &Site<'_>) -> Result<Relay, ReachError> {
        let sandbox = self.door.as_ref().map(|door| &door.sandbox);
        let relayed = bootstrap(shell, site, &self.agent, &self.place, sandbox).await?;
        Ok(Relay { stream: relayed.stream, socket: Some(relayed.socket) })
    }

    /// For the connections to come; this one is there already.
    async fn forward(&self, socket: &Path, remote: &str) {
        if UnixStream::connect(socket).await.is_ok() {
            return;
        }
        if let Err(error) = self.master.forward(socket, remote).await {
            tracing::debug!(%error, "the agent's socket is not forwarded");
        }
    }

    fn socket(&self) -> Result<PathBuf, ReachError> {
        self.master.socket_for(self.door.as_ref().map(|door| &door.sandbox))
    }
}

impl fmt::Display for Ssh {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ssh://{}", self.master.destination())
    }
}

#[async_trait]
impl Connector for Ssh {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        if self.forwarding {
            match self.forwarded().await {
                Ok(stream) => return Ok(stream),
                Err(error) => tracing::debug!(%error, "a relay is used"),
            }
        }
        self.relayed().await.map_err(io::Error::other)
    }
}

/// Whether an agent answers.
async fn ping(mut stream: UnixStream) -> io::Result<()> {
    let asked = async {
        stream.write_all(HEALTH).await?;
        let mut begun = [0; WELL.len()];
        stream.read_exact(&mut begun).await?;
        if begun == WELL { Ok(()) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
    };
    tokio::time::timeout(PING, asked).await?
}
