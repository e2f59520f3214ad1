//! A machine that sandboxes are placed on, and what of ours is there.

use std::ffi::OsString;
use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sandboxer_types::{Reachability, SshDestination, SshDestinationFault};
use tokio::sync::OnceCell;

use crate::connect::Here;
use crate::ssh::{AgentPlace, AgentProgram, SshMaster, SshSettings};
use crate::{
    AgentSession, Connector, Doorway, ExecEvent, ExecRequest, PlainSession, ReachError, ReachErrorKind, Session,
    SessionOptions, Ssh,
};

/// What the agent of a machine calls itself in the environment of its commands.
pub const AGENT_VARIABLE: &str = "SANDBOXER_AGENT";

/// Where a machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// It is this one.
    Here,
    /// It is reached by ssh.
    Ssh {
        /// Where its ssh server is, as the last machine before it sees that.
        destination: SshDestination,
        /// The machine to go through, if any.
        jump: Option<SshDestination>,
    },
}

impl Route {
    /// Straight to that destination; to this machine for `None`.
    pub fn to(destination: Option<SshDestination>) -> Self {
        match destination {
            Some(destination) => Self::Ssh { destination, jump: None },
            None => Self::Here,
        }
    }

    /// To the machine that a sandbox is reached through; `None` where it is not reached through one.
    ///
    /// # Errors
    ///
    /// When an address is none.
    pub fn of(reachability: &Reachability) -> Result<Option<Self>, SshDestinationFault> {
        if reachability.ssh.is_none() && reachability.enter.is_none() {
            return Ok(None);
        }
        let destination = |address: &Option<String>| address.as_deref().map(str::parse).transpose();
        Ok(Some(match destination(&reachability.ssh)? {
            Some(ssh) => Self::Ssh { destination: ssh, jump: destination(&reachability.jump)? },
            // On the way to this machine nothing lies in between.
            None => Self::Here,
        }))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => formatter.write_str("this machine"),
            Self::Ssh { destination, jump: None } => write!(formatter, "{destination}"),
            Self::Ssh { destination, jump: Some(jump) } => write!(formatter, "{destination} through {jump}"),
        }
    }
}

/// Ways to machines, this one among them.
#[derive(Debug)]
pub struct Machines {
    settings: SshSettings,
    program: PathBuf,
    here: PathBuf,
    withheld: Vec<OsString>,
    /// Read when it is first needed: that takes its time.
    agent: OnceCell<AgentProgram>,
}

impl Machines {
    /// By that `ssh`. `program` is the agent that is put on them; the sockets of this machine's own are in `here`, a
    /// folder of the user's alone.
    pub fn new(settings: SshSettings, program: impl Into<PathBuf>, here: impl Into<PathBuf>) -> Self {
        let (program, here) = (program.into(), here.into());
        Self { settings, program, here, withheld: Vec::new(), agent: OnceCell::new() }
    }

    /// The agent of this machine does not get these variables of this process's environment.
    #[must_use]
    pub fn without(mut self, variables: Vec<OsString>) -> Self {
        self.withheld = variables;
        self
    }

    /// The machine that this leads to. Nothing is opened yet.
    ///
    /// # Errors
    ///
    /// `Local` where the agent cannot be read; `InvalidInput` where a path in the settings does not do.
    pub async fn at(&self, route: &Route) -> Result<Machine, ReachError> {
        let agent = self.agent.get_or_try_init(|| self.read_agent()).await?.clone();
        let way = match route {
            Route::Here => Way::Here(Here {
                program: self.program.clone(),
                folder: self.here.clone(),
                agent,
                door: None,
                withheld: self.withheld.clone(),
            }),
            Route::Ssh { destination, jump } => {
                let settings = SshSettings { jump: jump.clone(), ..self.settings.clone() };
                Way::Ssh { master: SshMaster::new(settings, destination.clone())?, agent }
            }
        };
        Ok(Machine { route: route.clone(), way })
    }

    async fn read_agent(&self) -> Result<AgentProgram, ReachError> {
        let (program, memory) = (self.program.clone(), self.settings.folder.join("agent"));
        let reading = tokio::task::spawn_blocking(move || {
            // Where it cannot be made, what would be kept there is read anew each time.
            let folder = memory.parent().unwrap_or(Path::new("/"));
            DirBuilder::new().mode(0o700).recursive(true).create(folder).ok();
            AgentProgram::remembered(program, &memory)
        });
        reading.await.unwrap_or_else(|error| {
            let failed = io::Error::other(error);
            Err(ReachError::new(ReachErrorKind::Local, "cannot read this program").with_source(failed))
        })
    }
}

/// A machine that is reached by ssh, or this one.
#[derive(Debug, Clone)]
pub struct Machine {
    route: Route,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Here(Here),
    Ssh { master: SshMaster, agent: AgentProgram },
}

/// A session, and what it can be expected to do.
#[derive(Debug)]
pub struct Entered {
    /// The session.
    pub session: Arc<dyn Session>,
    /// By what.
    pub kind: SessionKind,
}

/// By what a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// By our agent: everything works.
    Agent,
    /// By a shell alone, where no agent can run: [`PlainSession`] says what that cannot do.
    Plain,
}

/// A lease that a machine's agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is held for.
    pub name: String,
    /// How long it still lasts; `None` once it ran out.
    pub remaining: Option<Duration>,
    /// Why what it is held for could not be removed, after it ran out.
    pub last_fault: Option<String>,
}

impl Machine {
    /// Where it is.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// A session of the machine itself, as whoever logs in.
    ///
    /// # Errors
    ///
    /// As [`SshMaster::open`], and those of putting an agent there where even a shell does not help.
    pub async fn session(&self) -> Result<Entered, ReachError> {
        self.open(None).await
    }

    /// A session of a sandbox there. The sandbox has an agent of its own.
    ///
    /// # Errors
    ///
    /// As [`session`](Self::session).
    pub async fn enter(&self, doorway: &Doorway) -> Result<Entered, ReachError> {
        self.open(Some(doorway)).await
    }

    /// Has the machine's agent run `expire` when nobody renews the lease for `span`. Renews one that is there.
    ///
    /// # Errors
    ///
    /// As [`session`](Self::session); `AgentCannotRun` where nobody would hold it; `Precondition` where it ran out.
    pub async fn place_lease(&self, name: &str, span: Duration, expire: &[String]) -> Result<(), ReachError> {
        self.agent().await?.place_lease(name, span, expire).await
    }

    /// Gives a lease up. One that is not there is no error.
    ///
    /// # Errors
    ///
    /// As [`place_lease`](Self::place_lease).
    pub async fn release_lease(&self, name: &str) -> Result<(), ReachError> {
        self.agent().await?.release_lease(name).await
    }

    /// The leases that the machine's agent holds, by name.
    ///
    /// # Errors
    ///
    /// As [`place_lease`](Self::place_lease).
    pub async fn leases(&self) -> Result<Vec<Lease>, ReachError> {
        self.agent().await?.leases().await
    }

    /// Ends the connection to it, with everything that goes through; tells whether there was one. Others make a new one.
    ///
    /// # Errors
    ///
    /// As [`SshMaster::exit`].
    pub async fn close(&self) -> Result<bool, ReachError> {
        match &self.way {
            Way::Here(_) => Ok(false),
            Way::Ssh { master, .. } => master.exit().await,
        }
    }

    /// Where the agent's program is there: an absolute path.
    ///
    /// # Errors
    ///
    /// As [`place_lease`](Self::place_lease).
    pub async fn agent_path(&self) -> Result<String, ReachError> {
        let script = format!("printf %s \"${AGENT_VARIABLE}\"");
        let ask = ExecRequest::new(["/bin/sh", "-c", &script]);
        let mut execution = self.agent().await?.exec(ask).await?;
        let mut said = Vec::new();
        while let Some(event) = execution.next_event().await? {
            if let ExecEvent::Stdout(bytes) = event {
                said.extend_from_slice(&bytes);
            }
        }
        match String::from_utf8(said) {
            Ok(path) if path.starts_with('/') => Ok(path),
            _ => Err(ReachError::protocol(format!("the agent of {} does not tell where it is", self.route))),
        }
    }

    /// A session of the machine itself by its agent, where a shell would not do.
    ///
    /// # Errors
    ///
    /// As [`place_lease`](Self::place_lease).
    pub async fn agent(&self) -> Result<AgentSession, ReachError> {
        AgentSession::connect(self.connector(None).as_ref(), SessionOptions::default()).await
    }

    fn connector(&self, door: Option<&Doorway>) -> Box<dyn Connector> {
        match &self.way {
            Way::Here(here) => Box::new(Here { door: door.cloned(), ..here.clone() }),
            Way::Ssh { master, agent } => {
                let ssh = Ssh::new(master.clone(), agent.clone(), AgentPlace::default());
                Box::new(match door {
                    Some(door) => ssh.into_sandbox(door.clone()),
                    None => ssh,
                })
            }
        }
    }

    async fn open(&self, door: Option<&Doorway>) -> Result<Entered, ReachError> {
        let session = AgentSession::connect(self.connector(door).as_ref(), SessionOptions::default()).await;
        let error = match session {
            Ok(session) => return Ok(Entered { session: Arc::new(session), kind: SessionKind::Agent }),
            Err(error) => error,
        };
        if error.kind() != ReachErrorKind::AgentCannotRun {
            return Err(error);
        }
        let enter = door.map(|door| door.enter.clone()).unwrap_or_default();
        let session = match &self.way {
            Way::Ssh { master, .. } => PlainSession::inside(Some(master.clone()), enter),
            Way::Here(_) if !enter.is_empty() => PlainSession::inside(None, enter),
            // Its own program does not run: no shell helps.
            Way::Here(_) => return Err(error),
        };
        tracing::debug!(%error, "a shell has to do");
        session.health().await?;
        Ok(Entered { session: Arc::new(session), kind: SessionKind::Plain })
    }
}
