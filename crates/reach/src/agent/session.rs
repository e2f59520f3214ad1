//! The session itself.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::Uri;
use sandboxer_envd::agent::{self, AgentClient, MakeSymlinkRequest, ReadSymlinkRequest, SetModeRequest, SignalRequest};
use sandboxer_envd::connectrpc::client::{CallOptions, ClientConfig};
use sandboxer_envd::filesystem::{
    FilesystemClient, ListDirRequest, ListDirResponse, MakeDirRequest, MoveRequest, RemoveRequest, StatRequest,
    StatResponse,
};
use sandboxer_envd::process::{ConnectRequest, ListRequest, ListResponse, ProcessClient};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

use super::events::{self, AgentEvents, EventStream};
use super::faults::from_connect;
use super::input::{AgentInput, InputStream};
use super::transport::Transport;
use super::{connect, convert, files};
use crate::{
    Content, Entry, ExecRequest, Execution, ExitStatus, ProcessInfo, ProcessSelector, ReachError, ReachErrorKind,
    Session, SignalScope, WriteOptions,
};

/// The base of all addresses on a connection that leads to one agent anyway.
const AUTHORITY: &str = "http://agent";
/// A directory of a hundred thousand entries still fits one answer.
const LARGEST_ANSWER: usize = 64 << 20;

/// A session by the agent inside the sandbox, over one HTTP/2 connection. Cheap to clone; the connection closes with
/// the last clone and the last [`Execution`].
#[derive(Clone)]
pub struct AgentSession {
    transport: Transport,
    process: ProcessClient<Transport>,
    filesystem: FilesystemClient<Transport>,
    agent: AgentClient<Transport>,
}

impl AgentSession {
    /// Connects to an agent's unix socket; paths longer than a socket address holds are fine.
    pub async fn connect_unix(path: &Path) -> Result<Self, ReachError> {
        let stream = connect::connect_unix(path).await.map_err(|error| {
            let message = format!("cannot connect to the sandbox's agent at `{}`", path.display());
            ReachError::new(ReachErrorKind::Unreachable, message).with_source(error)
        })?;
        Self::over(stream).await
    }

    /// Speaks to an agent over any byte stream.
    pub async fn over<Stream>(stream: Stream) -> Result<Self, ReachError>
    where
        Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let transport = Transport::over(stream).await.map_err(super::faults::from_hyper)?;
        let config = ClientConfig::new(Uri::from_static(AUTHORITY)).with_default_max_message_size(LARGEST_ANSWER);
        Ok(Self {
            process: ProcessClient::new(transport.clone(), config.clone()),
            filesystem: FilesystemClient::new(transport.clone(), config.clone()),
            agent: AgentClient::new(transport.clone(), config),
            transport,
        })
    }

    async fn execution(&self, stream: EventStream, terminal: bool) -> Result<Execution, ReachError> {
        let events = AgentEvents::begin(stream, self.agent.clone()).await?;
        let pid = events.pid();
        let input = AgentInput {
            process: self.process.clone(),
            agent: self.agent.clone(),
            command: ProcessSelector::Pid(pid),
            terminal,
            stream: Mutex::new(InputStream::Unopened),
        };
        Ok(Execution::new(pid, Box::new(events), Arc::new(input)))
    }
}

impl std::fmt::Debug for AgentSession {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AgentSession").field("transport", &self.transport).finish_non_exhaustive()
    }
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
        let terminal = request.pty.is_some();
        let Some(start) = convert::start(request) else {
            return Err(ReachError::new(ReachErrorKind::InvalidInput, "there is no command to run"));
        };
        let stream = self.process.start_with_options(start, options).await.map_err(from_connect)?;
        self.execution(EventStream::Start(stream), terminal).await
    }

    async fn attach(&self, process: &ProcessSelector) -> Result<Execution, ReachError> {
        let request = ConnectRequest { process: convert::selector(process).into() };
        let stream = self.process.connect(request).await.map_err(from_connect)?;
        self.execution(EventStream::Connect(stream), false).await
    }

    async fn processes(&self) -> Result<Vec<ProcessInfo>, ReachError> {
        let response: ListResponse =
            self.process.list(ListRequest::default()).await.map_err(from_connect)?.into_owned();
        Ok(response.processes.into_iter().map(convert::process_info).collect())
    }

    async fn signal(&self, process: &ProcessSelector, signal: i32, scope: SignalScope) -> Result<(), ReachError> {
        send_signal(&self.agent, process, signal, scope).await
    }

    async fn wait(&self, process: &ProcessSelector) -> Result<ExitStatus, ReachError> {
        events::wait(&self.agent, process).await
    }

    async fn stat(&self, path: &str, user: Option<&str>) -> Result<Entry, ReachError> {
        let request = StatRequest { path: path.to_owned() };
        let response = self.filesystem.stat_with_options(request, as_user(user)).await.map_err(from_connect)?;
        let response: StatResponse = response.into_owned();
        convert::entry(response.entry.into_option())
    }

    async fn list(&self, path: &str, depth: u32, user: Option<&str>) -> Result<Vec<Entry>, ReachError> {
        let request = ListDirRequest { path: path.to_owned(), depth };
        let response = self.filesystem.list_dir_with_options(request, as_user(user)).await.map_err(from_connect)?;
        let response: ListDirResponse = response.into_owned();
        response.entries.into_iter().map(|entry| convert::entry(Some(entry))).collect()
    }

    async fn make_dir(&self, path: &str, user: Option<&str>) -> Result<(), ReachError> {
        let request = MakeDirRequest { path: path.to_owned() };
        self.filesystem.make_dir_with_options(request, as_user(user)).await.map(drop).map_err(from_connect)
    }

    async fn rename(&self, from: &str, to: &str, user: Option<&str>) -> Result<(), ReachError> {
        let request = MoveRequest { source: from.to_owned(), destination: to.to_owned() };
        self.filesystem.r#move_with_options(request, as_user(user)).await.map(drop).map_err(from_connect)
    }

    async fn remove(&self, path: &str, user: Option<&str>) -> Result<(), ReachError> {
        let request = RemoveRequest { path: path.to_owned() };
        self.filesystem.remove_with_options(request, as_user(user)).await.map(drop).map_err(from_connect)
    }

    async fn read(&self, path: &str, user: Option<&str>) -> Result<Content, ReachError> {
        files::read(&self.transport, path, user).await
    }

    async fn write(
        &self,
        path: &str,
        options: WriteOptions,
        content: BoxStream<'static, std::io::Result<Bytes>>,
        user: Option<&str>,
    ) -> Result<(), ReachError> {
        files::write(&self.transport, path, options, content, user).await
    }

    async fn set_mode(&self, path: &str, mode: u32, user: Option<&str>) -> Result<(), ReachError> {
        let request = SetModeRequest { path: path.to_owned(), mode };
        self.agent.set_mode_with_options(request, as_user(user)).await.map(drop).map_err(from_connect)
    }

    async fn make_symlink(&self, path: &str, target: &str, user: Option<&str>) -> Result<(), ReachError> {
        let request = MakeSymlinkRequest { path: path.to_owned(), target: target.to_owned() };
        self.agent.make_symlink_with_options(request, as_user(user)).await.map(drop).map_err(from_connect)
    }

    async fn read_symlink(&self, path: &str, user: Option<&str>) -> Result<String, ReachError> {
        let request = ReadSymlinkRequest { path: path.to_owned() };
        let response = self.agent.read_symlink_with_options(request, as_user(user)).await.map_err(from_connect)?;
        Ok(response.view().target.to_owned())
    }
}

/// envd names the user by HTTP basic authentication, without a password.
fn as_user(user: Option<&str>) -> CallOptions {
    match user {
        Some(user) => CallOptions::default()
            .with_header("authorization", format!("Basic {}", STANDARD.encode(format!("{user}:")))),
        None => CallOptions::default(),
    }
}

pub(super) async fn send_signal(
    client: &AgentClient<Transport>,
    process: &ProcessSelector,
    signal: i32,
    scope: SignalScope,
) -> Result<(), ReachError> {
    let scope = match scope {
        SignalScope::Process => agent::SignalScope::SIGNAL_SCOPE_PROCESS,
        SignalScope::Group => agent::SignalScope::SIGNAL_SCOPE_GROUP,
    };
    let request = SignalRequest { process: convert::own_selector(process).into(), signal, scope: scope.into() };
    client.signal(request).await.map(drop).map_err(from_connect)
}
