//! A command's output, from the stream that started or follows it.

use async_trait::async_trait;
use hyper::body::Incoming;
use sandboxer_envd::agent::wait_response::Outcome;
use sandboxer_envd::agent::{AgentClient, WaitRequest, WaitResponse};
use sandboxer_envd::connectrpc::client::ServerStream;
use sandboxer_envd::process::process_event::data_event::Output;
use sandboxer_envd::process::process_event::{EndEvent, Event};
use sandboxer_envd::process::{ConnectResponse, ConnectResponseView, ProcessEvent, StartResponse, StartResponseView};

use super::convert::own_selector;
use super::faults::from_connect;
use super::transport::Transport;
use crate::{ExecEvent, ExecutionEvents, ExitStatus, ProcessSelector, ReachError};

/// The two calls that answer with the same events.
pub(super) enum EventStream {
    Start(ServerStream<Incoming, StartResponseView<'static>>),
    Connect(ServerStream<Incoming, ConnectResponseView<'static>>),
}

impl EventStream {
    /// The next event, keepalives left out; `None` after the last.
    async fn next(&mut self) -> Result<Option<Event>, ReachError> {
        loop {
            let Some(event) = self.next_message().await.map_err(from_connect)? else { return Ok(None) };
            match event.event {
                Some(Event::Keepalive(_)) | None => {}
                Some(event) => return Ok(Some(event)),
            }
        }
    }

    async fn next_message(&mut self) -> Result<Option<ProcessEvent>, sandboxer_envd::connectrpc::ConnectError> {
        let event = match self {
            Self::Start(stream) => {
                let message = stream.message::<StartResponse>().await?;
                message.map(|message| message.to_owned_message().event)
            }
            Self::Connect(stream) => {
                let message = stream.message::<ConnectResponse>().await?;
                message.map(|message| message.to_owned_message().event)
            }
        };
        Ok(event.map(|event| event.into_option().unwrap_or_default()))
    }
}

/// The output of one command.
pub(super) struct AgentEvents {
    stream: EventStream,
    agent: AgentClient<Transport>,
    pid: u32,
    end: Option<EndEvent>,
}

impl AgentEvents {
    /// Takes the first event, which says that the command runs; a command that could not start is an error here.
    pub(super) async fn begin(mut stream: EventStream, agent: AgentClient<Transport>) -> Result<Self, ReachError> {
        match stream.next().await? {
            Some(Event::Start(start)) => Ok(Self { stream, agent, pid: start.pid, end: None }),
            _ => Err(ReachError::protocol("the sandbox's agent answered without a start")),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }
}

#[async_trait]
impl ExecutionEvents for AgentEvents {
    async fn next_event(&mut self) -> Result<Option<ExecEvent>, ReachError> {
        if self.end.is_some() {
            return Ok(None);
        }
        match self.stream.next().await? {
            Some(Event::Data(data)) => match data.output {
                Some(Output::Stdout(bytes)) => Ok(Some(ExecEvent::Stdout(bytes))),
                Some(Output::Stderr(bytes)) => Ok(Some(ExecEvent::Stderr(bytes))),
                Some(Output::Pty(bytes)) => Ok(Some(ExecEvent::Pty(bytes))),
                None => Err(ReachError::protocol("the sandbox's agent sent output without any")),
            },
            Some(Event::End(end)) => {
                self.end = Some(*end);
                // Taken to its very end, the stream closes by itself; dropped before, it would be reset. All has been
                // said, so that a fault here does not matter.
                if let Err(error) = self.stream.next().await {
                    tracing::debug!(%error, "a command's events broke off after its end");
                }
                Ok(None)
            }
            Some(Event::Start(_) | Event::Keepalive(_)) => {
                Err(ReachError::protocol("the sandbox's agent started a command twice"))
            }
            None => Err(ReachError::protocol("the command's events ended without its end")),
        }
    }

    async fn wait(&mut self) -> Result<ExitStatus, ReachError> {
        while self.next_event().await?.is_some() {}
        match &self.end {
            Some(end) if end.exited => Ok(ExitStatus::Code(end.exit_code)),
            // envd's event names the signal for people only; the number is one more call away.
            _ => wait(&self.agent, &ProcessSelector::Pid(self.pid)).await,
        }
    }
}

/// Asks the agent how a command ended.
pub(super) async fn wait(agent: &AgentClient<Transport>, process: &ProcessSelector) -> Result<ExitStatus, ReachError> {
    let request = WaitRequest { process: own_selector(process).into() };
    let response: WaitResponse = agent.wait(request).await.map_err(from_connect)?.into_owned();
    match response.outcome {
        Some(Outcome::Code(code)) => Ok(ExitStatus::Code(code)),
        Some(Outcome::Signal(exit)) => Ok(ExitStatus::Signal { signal: exit.signal, core_dumped: exit.core_dumped }),
        None => Err(ReachError::protocol("the sandbox's agent did not say how the command ended")),
    }
}
