//! The session itself.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::Uri;
use sandboxer_envd::agent::{
    self, AgentClient, ListCommandsRequest, ListCommandsResponse, ListDirectoryRequest, ListDirectoryResponse,
    ListLeasesRequest, ListLeasesResponse, ListPortsRequest, ListPortsResponse, MakeDirectoryRequest,
    MakeHardLinkRequest, MakeSymlinkRequest, ReleaseLeaseRequest, RemoveRequest, RenameRequest, SetLeaseRequest,
    SetModeRequest, SignalRequest, StatRequest, StatResponse,
};
use sandboxer_envd::connectrpc::client::ClientConfig;
use sandboxer_envd::process::ProcessClient;
use tokio::sync::Mutex;

use super::convert::bytes;
use super::events::{self, AgentEvents};
use super::follow::{FollowEvents, Until};
use super::input::{AgentInput, InputStream};
use super::transport::{Transport, as_user, lingering};
use super::{convert, files, ports, watch};
use crate::{
    Began, ByteStream, CommandInfo, Connector, Content, Entry, Events, ExecEvent, ExecRequest, Execution,
    ExecutionEvents, ExitStatus, Extent, Lease, Pace, Port, ProcessSelector, ReachError, ReachErrorKind, Session,
    SessionOptions, SignalScope, Target, WatchEvent, WriteOptions,
};

/// The base of all addresses on a connection that leads to one agent anyway.
const AUTHORITY: &str = "http://localhost";
/// Thousands of commands with long arguments still fit one answer.
const LARGEST_ANSWER: usize = 64 << 20;

/// A session by the agent inside the sandbox, over one HTTP/2 connection. Cheap to clone; the connection closes with
/// the last clone and the last [`Execution`], stream of events or connection inside.
#[derive(Clone)]
pub struct AgentSession {
    transport: Transport,
    process: ProcessClient<Transport>,
    agent: AgentClient<Transport>,
}

impl AgentSession {
    /// Connects to an agent. That it answers shows only with the first call. A connector's own [`ReachError`] is given as
    /// it is.
    pub async fn connect(connector: &dyn Connector, options: SessionOptions) -> Result<Self, ReachError> {
        let stream = connector.connect().await.map_err(|error| ReachError::connecting(&connector, error))?;
        Self::over(stream, options).await
    }

    /// Speaks to an agent over a stream of bytes.
    pub async fn over(stream: Box<dyn ByteStream>, options: SessionOptions) -> Result<Self, ReachError> {
        let transport = Transport::over(stream, &options).await?;
        let config = ClientConfig::new(Uri::from_static(AUTHORITY)).with_default_max_message_size(LARGEST_ANSWER);
        Ok(Self {
            process: ProcessClient::new(transport.clone(), config.clone()),
            agent: AgentClient::new(transport.clone(), config),
            transport,
        })
    }

    fn execution(&self, began: Began, events: Box<dyn ExecutionEvents>) -> Execution {
        let input = AgentInput {
            process: self.process.clone(),
            agent: self.agent.clone(),
            transport: self.transport.clone(),
            command: ProcessSelector::Pid(began.pid),
            terminal: began.terminal,
            stream: Mutex::new(InputStream::Unopened),
        };
        Execution::new(began, events, Arc::new(input))
    }

    async fn follow(
        &self,
        process: &ProcessSelector,
        from: Option<u64>,
        until: Until,
    ) -> Result<FollowEvents, ReachError> {
        FollowEvents::begin(&self.agent, self.transport.clone(), process, from, until).await
    }
}

impl AgentSession {
    /// Places a lease on the agent, or renews it: when nobody does so for `span`, it runs `expire`, until that succeeds.
    pub async fn place_lease(&self, name: &str, span: Duration, expire: &[String]) -> Result<(), ReachError> {
        let ttl_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
        let request = SetLeaseRequest { name: name.to_owned(), ttl_ms, expire: expire.to_vec() };
        self.agent.set_lease(request).await.map(drop).map_err(|error| self.transport.failed(error))
    }

    /// Gives a lease up. One that is not there is no error.
    pub async fn release_lease(&self, name: &str) -> Result<(), ReachError> {
        let request = ReleaseLeaseRequest { name: name.to_owned() };
        self.agent.release_lease(request).await.map(drop).map_err(|error| self.transport.failed(error))
    }

    /// The leases that the agent holds, by name.
    pub async fn leases(&self) -> Result<Vec<Lease>, ReachError> {
        let answer =
            self.agent.list_leases(ListLeasesRequest {}).await.map_err(|error| self.transport.failed(error))?;
        let answer: ListLeasesResponse = answer.into_owned();
        Ok(answer.leases.into_iter().map(convert::lease).collect())
    }
}

impl std::fmt::Debug for AgentSession {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AgentSession").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// One call of the agent's own, as a user where one is named.
macro_rules! call {
    ($session:ident.$method:ident($request:expr)) => {
        call!($session.$method($request, None))
    };
    ($session:ident.$method:ident($request:expr, $user:expr)) => {
        $session.agent.$method($request, as_user($user)).await.map_err(|error| $session.transport.failed(error))
    };
}

#[async_trait]
impl Session for AgentSession {
    async fn health(&self) -> Result<(), ReachError> {
        files::health(&self.transport).await
    }

    async fn exec(&self, request: ExecRequest) -> Result<Execution, ReachError> {
        let mut options = as_user(request.user.as_deref());
        if let Some(timeout) = request.timeout {
            // As a header, not as the call's own deadline: the agent ends the command, and its answer is the truth.
            let milliseconds = timeout.as_millis().clamp(1, 9_999_999_999);
            options = options.with_header("connect-timeout-ms", milliseconds.to_string());
        }
        options = lingering(options, request.linger);
        if request.tethered {
            options = options.with_header("sandboxer-tethered", "true");
        }
        let terminal = request.pty.is_some();
        let Some(start) = convert::start(request) else {
            return Err(ReachError::new(ReachErrorKind::InvalidInput, "there is no command to run"));
        };
        let started = self.process.start_with_options(start, options).await;
        let stream = started.map_err(|error| self.transport.failed(error))?;
        let events = AgentEvents::begin(stream, self.agent.clone(), self.transport.clone()).await?;
        // Whoever started a command gets its output from the first byte on.
        let began = Began { pid: events.pid(), offset: 0, terminal };
        Ok(self.execution(began, Box::new(events)))
    }

    async fn attach(&self, process: &ProcessSelector, from: Option<u64>, pace: Pace) -> Result<Execution, ReachError> {
        let events = self.follow(process, from, Until::End(pace)).await?;
        Ok(self.execution(events.began(), Box::new(events)))
    }

    async fn kept_output(&self, process: &ProcessSelector, from: u64) -> Result<Events<ExecEvent>, ReachError> {
        Ok(self.follow(process, Some(from), Until::Now).await?.output())
    }

    async fn commands(&self) -> Result<Vec<CommandInfo>, ReachError> {
        let answer = call!(self.list_commands_with_options(ListCommandsRequest {}))?;
        let answer: ListCommandsResponse = answer.into_owned();
        let commands = answer.commands.into_iter().map(convert::command);
        let mut commands = commands.collect::<Result<Vec<_>, _>>()?;
        commands.sort_by_key(|command| command.started);
        Ok(commands)
    }

    async fn signal(&self, process: &ProcessSelector, signal: i32, scope: SignalScope) -> Result<(), ReachError> {
        send_signal(&self.agent, &self.transport, process, signal, scope).await
    }

    async fn wait(&self, process: &ProcessSelector) -> Result<ExitStatus, ReachError> {
        events::wait(&self.agent, &self.transport, process).await
    }

    async fn stat(&self, path: &Path, user: Option<&str>) -> Result<Entry, ReachError> {
        let answer = call!(self.stat_with_options(StatRequest { path: bytes(path) }, user))?;
        let answer: StatResponse = answer.into_owned();
        let entry = answer.entry.into_option().map(convert::entry);
        entry.ok_or_else(|| ReachError::protocol("the sandbox's agent answered without an entry"))
    }

    async fn list(&self, path: &Path, user: Option<&str>) -> Result<Vec<Entry>, ReachError> {
        let mut stream = call!(self.list_directory_with_options(ListDirectoryRequest { path: bytes(path) }, user))?;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let part = stream.message::<ListDirectoryResponse>().await;
            let Some(part) = part.map_err(|error| self.transport.failed(error))? else { break };
            entries.extend(part.to_owned_message().entries.into_iter().map(convert::entry));
        }
        entries.sort_by(|one, other| one.name().cmp(other.name()));
        Ok(entries)
    }

    async fn make_dir(&self, path: &Path, user: Option<&str>) -> Result<(), ReachError> {
        call!(self.make_directory_with_options(MakeDirectoryRequest { path: bytes(path) }, user)).map(drop)
    }

    async fn rename(&self, from: &Path, to: &Path, user: Option<&str>) -> Result<(), ReachError> {
        call!(self.rename_with_options(RenameRequest { from: bytes(from), to: bytes(to) }, user)).map(drop)
    }

    async fn remove(&self, path: &Path, user: Option<&str>) -> Result<(), ReachError> {
        call!(self.remove_with_options(RemoveRequest { path: bytes(path) }, user)).map(drop)
    }

    async fn read(&self, path: &Path, user: Option<&str>) -> Result<Content, ReachError> {
        files::read(&self.transport, path, user).await
    }

    async fn write(
        &self,
        path: &Path,
        options: WriteOptions,
        content: BoxStream<'static, io::Result<Bytes>>,
        user: Option<&str>,
    ) -> Result<(), ReachError> {
        files::write(&self.transport, path, options, content, user).await
    }

    async fn read_extents(&self, path: &Path, user: Option<&str>) -> Result<Events<Extent>, ReachError> {
        files::read_extents(&self.transport, path, user).await
    }

    async fn write_extents(
        &self,
        path: &Path,
        options: WriteOptions,
        content: BoxStream<'static, io::Result<Extent>>,
        user: Option<&str>,
    ) -> Result<(), ReachError> {
        files::write_extents(&self.transport, path, options, content, user).await
    }

    async fn set_mode(&self, path: &Path, mode: u32, user: Option<&str>) -> Result<(), ReachError> {
        call!(self.set_mode_with_options(SetModeRequest { path: bytes(path), mode }, user)).map(drop)
    }

    async fn make_symlink(&self, path: &Path, target: &Path, user: Option<&str>) -> Result<(), ReachError> {
        let request = MakeSymlinkRequest { path: bytes(path), target: bytes(target) };
        call!(self.make_symlink_with_options(request, user)).map(drop)
    }

    async fn make_hard_link(&self, path: &Path, existing: &Path, user: Option<&str>) -> Result<(), ReachError> {
        let request = MakeHardLinkRequest { path: bytes(path), existing: bytes(existing) };
        call!(self.make_hard_link_with_options(request, user)).map(drop)
    }

    async fn watch(&self, path: &Path, recursive: bool, user: Option<&str>) -> Result<Events<WatchEvent>, ReachError> {
        watch::watch(&self.agent, self.transport.clone(), path, recursive, user).await
    }

    async fn ports(&self) -> Result<Vec<Port>, ReachError> {
        let answer: ListPortsResponse = call!(self.list_ports_with_options(ListPortsRequest {}))?.into_owned();
        answer.ports.into_iter().map(convert::port).collect()
    }

    async fn connect(&self, target: &Target, user: Option<&str>) -> Result<Box<dyn ByteStream>, ReachError> {
        ports::connect(&self.transport, target, user).await
    }
}

pub(super) async fn send_signal(
    client: &AgentClient<Transport>,
    transport: &Transport,
    process: &ProcessSelector,
    signal: i32,
    scope: SignalScope,
) -> Result<(), ReachError> {
    let scope = match scope {
        SignalScope::Process => agent::SignalScope::SIGNAL_SCOPE_PROCESS,
        SignalScope::Group => agent::SignalScope::SIGNAL_SCOPE_GROUP,
    };
    let request = SignalRequest { process: convert::own_selector(process).into(), signal, scope: scope.into() };
    client.signal(request).await.map(drop).map_err(|error| transport.failed(error))
}
