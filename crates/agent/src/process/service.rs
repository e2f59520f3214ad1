//! envd's `process.Process`.

use std::sync::Arc;

use futures::StreamExt as _;
use sandboxer_envd::connectrpc::{
    ConnectError, InboundStream, RequestContext, Response, ServiceRequest, ServiceResult, ServiceStream,
};
use sandboxer_envd::process::process_input::Input as WireInput;
use sandboxer_envd::process::process_selector::Selector as WireSelector;
use sandboxer_envd::process::stream_input_request::Event as InputEvent;
use sandboxer_envd::process::{
    CloseStdinRequest, CloseStdinResponse, ConnectRequest, ConnectResponse, ListRequest, ListResponse, Process,
    ProcessInput, ProcessSelector, SendInputRequest, SendInputResponse, SendSignalRequest, SendSignalResponse, Signal,
    StartRequest, StartResponse, StreamInputRequest, StreamInputResponse, UpdateRequest, UpdateResponse,
};

use super::command::SharedCommand;
use super::events::{Following, keepalive, linger, tethered};
use super::faults::signal_fault;
use super::processes::Selector;
use super::reaper::Scope;
use super::spawn::{Start, cells, start};
use crate::shared::Shared;

/// A longer tag is no name.
const LONGEST_TAG: usize = 1024;
/// Names the lease under which a command runs.
const LEASE: &str = "sandboxer-lease";

/// Commands, as envd offers them.
pub(crate) struct ProcessService(pub(crate) Arc<Shared>);

impl ProcessService {
    fn running(&self, selector: Option<&ProcessSelector>) -> Result<SharedCommand, ConnectError> {
        let selector = parse(selector)?;
        let found = self.0.processes.find_running(&selector);
        found.ok_or_else(|| ConnectError::not_found(selector.to_string()))
    }

    /// What a request asks to start.
    fn plan(&self, ctx: &RequestContext, request: StartRequest) -> Result<Start, ConnectError> {
        let user = self.0.requester(ctx.headers())?;
        if request.tag.as_ref().is_some_and(|tag| tag.len() > LONGEST_TAG) {
            return Err(ConnectError::invalid_argument(format!("a tag has at most {LONGEST_TAG} bytes")));
        }
        let config = request.process.into_option().unwrap_or_default();
        let terminal = request.pty.into_option().map(|pty| pty.size.into_option().unwrap_or_default());
        let stdin = request.stdin.unwrap_or(true);
        let deadline = ctx.deadline().map(Into::into);
        let (lease, linger) = (self.lease(ctx)?, linger(ctx.headers()));
        let tethered = tethered(ctx.headers());
        Ok(Start { user, config, terminal, stdin, tag: request.tag, lease, linger, tethered, deadline })
    }

    /// The lease under which a request comes.
    fn lease(&self, ctx: &RequestContext) -> Result<Option<String>, ConnectError> {
        let Some(name) = ctx.headers().get(LEASE) else { return Ok(None) };
        let name = name.to_str().map_err(|_| ConnectError::invalid_argument("a lease's name is ASCII here"))?;
        if !self.0.leases.holds(name) {
            return Err(ConnectError::failed_precondition(format!("there is no lease `{name}`, or it has run out")));
        }
        Ok(Some(name.to_owned()))
    }

    async fn take_input(&self, mut messages: InboundStream<StreamInputRequest>) -> Result<(), ConnectError> {
        let mut command: Option<SharedCommand> = None;
        loop {
            let next = match &command {
                None => messages.next().await,
                Some(command) => tokio::select! {
                    biased;
                    next = messages.next() => next,
                    // Whoever still writes learns it now, not by a write that is never read.
                    _ = command.ended() => return Err(ConnectError::failed_precondition("the command has ended")),
                },
            };
            let Some(message) = next else { return Ok(()) };
            match message?.to_owned_message().event {
                Some(InputEvent::Start(start)) => command = Some(self.running(start.process.as_option())?),
                Some(InputEvent::Data(data)) => {
                    let command = command.as_ref();
                    let command = command.ok_or_else(|| ConnectError::invalid_argument("input before its start"))?;
                    write(command, data.input.into_option()).await?;
                }
                Some(InputEvent::Keepalive(_)) => {}
                None => return Err(ConnectError::unimplemented("an event of no kind")),
            }
        }
    }
}

/// The command named by a request.
fn parse(selector: Option<&ProcessSelector>) -> Result<Selector, ConnectError> {
    match selector.and_then(|selector| selector.selector.as_ref()) {
        Some(WireSelector::Pid(pid)) => Ok(Selector::Pid(*pid)),
        Some(WireSelector::Tag(tag)) => Ok(Selector::Tag(tag.clone())),
        None => Err(ConnectError::unimplemented("the request selects no process")),
    }
}

/// Both ways in lead to whatever input the command has: who attaches to a command need not know which it is.
async fn write(command: &SharedCommand, input: Option<ProcessInput>) -> Result<(), ConnectError> {
    match input.and_then(|input| input.input) {
        Some(WireInput::Stdin(bytes) | WireInput::Pty(bytes)) => Ok(command.input.write(&bytes).await?),
        None => Err(ConnectError::unimplemented("input of no kind")),
    }
}

#[allow(refining_impl_trait, reason = "the crate's own; naming the answers says more")]
impl Process for ProcessService {
    async fn list(
        &self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, ListRequest>,
    ) -> ServiceResult<ListResponse> {
        let running = self.0.processes.running();
        Response::ok(ListResponse { processes: running.iter().map(|command| command.info()).collect() })
    }

    async fn connect(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, ConnectRequest>,
    ) -> ServiceResult<ServiceStream<ConnectResponse>> {
        let selector = parse(request.to_owned_message().process.as_option())?;
        let command = self.0.processes.find(&selector);
        let command = command.ok_or_else(|| ConnectError::not_found(selector.to_string()))?;
        let following = Following {
            pid: command.pid,
            events: command.hub.follow(),
            keepalive: keepalive(ctx.headers()),
            until: ctx.deadline().map(Into::into),
        };
        let events = following.into_stream();
        Response::stream_ok(events.map(|event| event.map(|event| ConnectResponse { event: event.into() })))
    }

    async fn start(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, StartRequest>,
    ) -> ServiceResult<ServiceStream<StartResponse>> {
        let plan = self.plan(&ctx, request.to_owned_message())?;
        // On a task of its own, which no disconnect cancels halfway.
        let started = tokio::spawn(start(Arc::clone(&self.0), plan)).await;
        let started = started.map_err(|error| ConnectError::internal("the start failed").with_source(error))?;
        let (command, events) = started?;
        let following = Following { pid: command.pid, events, keepalive: keepalive(ctx.headers()), until: None };
        let events = following.into_stream();
        Response::stream_ok(events.map(|event| event.map(|event| StartResponse { event: event.into() })))
    }

    async fn update(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, UpdateRequest>,
    ) -> ServiceResult<UpdateResponse> {
        let request = request.to_owned_message();
        let command = self.running(request.process.as_option())?;
        if let Some(size) = request.pty.into_option().and_then(|pty| pty.size.into_option()) {
            let no_terminal = || ConnectError::failed_precondition("the command has no terminal");
            let (rows, cols) = cells(&size);
            let resized = command.input.terminal().ok_or_else(no_terminal)?.resize(rows, cols);
            resized.map_err(|error| ConnectError::internal(format!("cannot resize the terminal: {error}")))?;
        }
        Response::ok(UpdateResponse {})
    }

    async fn stream_input(
        &self,
        _ctx: RequestContext,
        requests: InboundStream<StreamInputRequest>,
    ) -> ServiceResult<StreamInputResponse> {
        self.take_input(requests).await?;
        Response::ok(StreamInputResponse {})
    }

    async fn send_input(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, SendInputRequest>,
    ) -> ServiceResult<SendInputResponse> {
        let request = request.to_owned_message();
        let command = self.running(request.process.as_option())?;
        write(&command, request.input.into_option()).await?;
        Response::ok(SendInputResponse {})
    }

    async fn send_signal(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, SendSignalRequest>,
    ) -> ServiceResult<SendSignalResponse> {
        let request = request.to_owned_message();
        let command = self.running(request.process.as_option())?;
        let signal = match request.signal.as_known() {
            Some(signal @ (Signal::SIGNAL_SIGTERM | Signal::SIGNAL_SIGKILL)) => signal as i32,
            Some(Signal::SIGNAL_UNSPECIFIED) | None => {
                return Err(ConnectError::unimplemented("envd sends only SIGTERM and SIGKILL"));
            }
        };
        let sent = self.0.processes.reaper.signal(command.pid, signal, Scope::Group);
        sent.map_err(|error| signal_fault(&error, &Selector::Pid(command.pid)))?;
        Response::ok(SendSignalResponse {})
    }

    async fn close_stdin(
        &self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, CloseStdinRequest>,
    ) -> ServiceResult<CloseStdinResponse> {
        let request = request.to_owned_message();
        self.running(request.process.as_option())?.input.close().await?;
        Response::ok(CloseStdinResponse {})
    }
}
