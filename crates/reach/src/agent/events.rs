//! The output of a command that we started, from the stream that started it.

use async_trait::async_trait;
use hyper::body::Incoming;
use sandboxer_envd::agent::{AgentClient, WaitRequest, WaitResponse};
use sandboxer_envd::connectrpc::client::ServerStream;
use sandboxer_envd::process::process_event::data_event::Output;
use sandboxer_envd::process::process_event::{EndEvent, Event};
use sandboxer_envd::process::{StartResponse, StartResponseView};

use super::convert::{ending, own_selector};
use super::transport::Transport;
use crate::{ExecEvent, ExecutionEvents, ExitStatus, ProcessSelector, ReachError};

/// The output of one command.
pub(super) struct AgentEvents {
    stream: ServerStream<Incoming, StartResponseView<'static>>,
    agent: AgentClient<Transport>,
    transport: Transport,
    pid: u32,
    end: Option<EndEvent>,
}

impl AgentEvents {
    /// Takes the first event, which says that the command runs; a command that could not start is an error here.
    pub(super) async fn begin(
        stream: ServerStream<Incoming, StartResponseView<'static>>,
        agent: AgentClient<Transport>,
        transport: Transport,
    ) -> Result<Self, ReachError> {
        let mut events = Self { stream, agent, transport, pid: 0, end: None };
        match events.next().await? {
            Some(Event::Start(start)) => Ok(Self { pid: start.pid, ..events }),
            _ => Err(ReachError::protocol("the sandbox's agent answered without a start")),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The next event, keepalives left out; `None` after the last.
    async fn next(&mut self) -> Result<Option<Event>, ReachError> {
        loop {
            let message = self.stream.message::<StartResponse>().await.map_err(|error| self.transport.failed(error))?;
            let Some(message) = message else { return Ok(None) };
            match message.to_owned_message().event.into_option().unwrap_or_default().event {
                Some(Event::Keepalive(_)) | None => {}
                Some(event) => return Ok(Some(event)),
            }
        }
    }
}

#[async_trait]
impl ExecutionEvents for AgentEvents {
    async fn next_event(&mut self) -> Result<Option<ExecEvent>, ReachError> {
        if self.end.is_some() {
            return Ok(None);
        }
        match self.next().await? {
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
                if let Err(error) = self.next().await {
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
            _ => wait(&self.agent, &self.transport, &ProcessSelector::Pid(self.pid)).await,
        }
    }
}

/// Asks the agent how a command ended.
pub(super) async fn wait(
    agent: &AgentClient<Transport>,
    transport: &Transport,
    process: &ProcessSelector,
) -> Result<ExitStatus, ReachError> {
    let request = WaitRequest { process: own_selector(process).into() };
    let answer = agent.wait(request).await.map_err(|error| transport.failed(error))?;
    let answer: WaitResponse = answer.into_owned();
    Ok(ending(&answer.exit.into_option().unwrap_or_default())?.status)
}
