//! The agent of a machine that is reached by `ssh`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{ByteStream, Connector, ProcessStream};
use crate::ssh::{AgentPlace, AgentProgram, Relayed, SshMaster, bootstrap};
use crate::{ReachError, ReachErrorKind};

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
    forwarding: bool,
    /// Whether the agent has answered by the forwarded socket already.
    trusted: AtomicBool,
}

impl Ssh {
    /// That agent on that machine.
    pub fn new(master: SshMaster, agent: AgentProgram, place: AgentPlace) -> Self {
        Self { master, agent, place, forwarding: true, trusted: AtomicBool::new(false) }
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
    /// where the machine passes nothing on, or its agent has left.
    pub async fn forwarded(&self) -> Result<Box<dyn ByteStream>, ReachError> {
        let socket = self.socket();
        let nobody = |error: io::Error| {
            let message = format!("nothing of `{self}` is forwarded");
            ReachError::new(ReachErrorKind::Unreachable, message).with_source(error)
        };
        if !self.trusted.load(Ordering::Relaxed) {
            let stream = UnixStream::connect(&socket).await.map_err(nobody)?;
            ping(stream).await.map_err(|error| {
                let message = format!("the agent of `{self}` does not answer by its forwarded socket");
                ReachError::new(ReachErrorKind::ForwardingRefused, message)
                    .with_hint("`AllowStreamLocalForwarding` of the machine's ssh server decides whether it can")
                    .with_source(error)
            })?;
        }
        let stream = UnixStream::connect(&socket).await.map_err(nobody)?;
        self.trusted.store(true, Ordering::Relaxed);
        Ok(Box::new(stream))
    }

    /// A connection by a relay of its own.
    ///
    /// # Errors
    ///
    /// As [`SshMaster::open`]; `AgentCannotRun` or `Exhausted` where the agent cannot be put there.
    pub async fn relayed(&self) -> Result<Box<dyn ByteStream>, ReachError> {
        self.master.open().await?;
        let relayed = match self.bootstrap(self.master.session()).await {
            // The connection was lost since, or was lost already and nobody had noticed.
            Err(error) if error.kind() == ReachErrorKind::Unreachable => {
                tracing::debug!(%error, "a lost connection is made again");
                self.master.reopen().await?;
                self.bootstrap(self.master.session()).await?
            }
            // No room for one more session on it.
            Err(error) if error.kind() == ReachErrorKind::Busy => {
                tracing::debug!(%error, "a connection of its own is used");
                return Ok(Box::new(self.bootstrap(self.master.alone()).await?.stream));
            }
            other => other?,
        };
        if self.forwarding {
            self.forward(&relayed.socket).await;
        }
        Ok(Box::new(relayed.stream))
    }

    async fn bootstrap(&self, through: ProcessStream) -> Result<Relayed, ReachError> {
        let program = through.open().await.map_err(|error| ReachError::local("cannot run ssh", error))?;
        bootstrap(program, self.master.destination(), &self.agent, &self.place).await
    }

    /// For the connections to come; this one is there already.
    async fn forward(&self, remote: &str) {
        let socket = self.socket();
        if UnixStream::connect(&socket).await.is_ok() {
            return;
        }
        if let Err(error) = self.master.forward(&socket, remote).await {
            tracing::debug!(%error, "the agent's socket is not forwarded");
        }
    }

    fn socket(&self) -> PathBuf {
        self.master.socket_for(self.agent.digest())
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
