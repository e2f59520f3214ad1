//! The output of any command, from an offset on.

use async_trait::async_trait;
use futures::stream;
use futures::{StreamExt as _, TryStreamExt as _};
use hyper::body::Incoming;
use sandboxer_envd::agent::follow_response::{Event, Gap, Output};
use sandboxer_envd::agent::{AgentClient, FollowRequest, FollowResponse, FollowResponseView, OutputSource};
use sandboxer_envd::connectrpc::client::{CallOptions, ServerStream};

use super::convert::{ending, own_selector};
use super::transport::{Transport, lingering};
use crate::{
    Began, Ending, Events, ExecEvent, ExecutionEvents, ExitStatus, Pace, ProcessSelector, ReachError, ReachErrorKind,
};

/// Until when a command is followed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// What there is already.
    Now,
    /// Its end.
    End(Pace),
}

/// What is told of one command.
pub(super) struct FollowEvents {
    stream: ServerStream<Incoming, FollowResponseView<'static>>,
    transport: Transport,
    began: Began,
    /// Where the next piece must begin, so that nothing is lost or told twice.
    next: u64,
    ending: Option<Ending>,
}

impl FollowEvents {
    pub(super) async fn begin(
        agent: &AgentClient<Transport>,
        transport: Transport,
        process: &ProcessSelector,
        from: Option<u64>,
        until: Until,
    ) -> Result<Self, ReachError> {
        let linger = match until {
            Until::End(Pace::Held { linger }) => Some(linger),
            Until::End(Pace::Free) | Until::Now => None,
        };
        let request = FollowRequest {
            process: own_selector(process).into(),
            from,
            only_kept: matches!(until, Until::Now),
            may_lose: matches!(until, Until::End(Pace::Free)),
        };
        let options = lingering(CallOptions::default(), linger);
        let stream = agent.follow_with_options(request, options).await.map_err(|error| transport.failed(error))?;
        let began = Began { pid: 0, offset: 0, terminal: false };
        let mut events = Self { stream, transport, began, next: 0, ending: None };
        match events.next().await? {
            Some(Event::Started(started)) => {
                events.next = started.offset;
                events.began = Began { pid: started.pid, offset: started.offset, terminal: started.terminal };
                Ok(events)
            }
            _ => Err(ReachError::protocol("the sandbox's agent answered without a start")),
        }
    }

    pub(super) fn began(&self) -> Began {
        self.began
    }

    /// Only the output, to its end.
    pub(super) fn output(self) -> Events<ExecEvent> {
        stream::try_unfold(self, |mut events| async move {
            Ok(match events.next().await? {
                Some(Event::Gap(gap)) => Some((events.gap(&gap), events)),
                Some(Event::Output(output)) => Some((events.piece(*output)?, events)),
                _ => None,
            })
        })
        .into_stream()
        .boxed()
    }

    /// The next event, keepalives left out; `None` after the last.
    async fn next(&mut self) -> Result<Option<Event>, ReachError> {
        loop {
            let message =
                self.stream.message::<FollowResponse>().await.map_err(|error| self.transport.failed(error))?;
            let Some(message) = message else { return Ok(None) };
            match message.to_owned_message().event {
                Some(Event::KeepAlive(_)) | None => {}
                Some(event) => return Ok(Some(event)),
            }
        }
    }

    fn gap(&mut self, gap: &Gap) -> ExecEvent {
        self.next = gap.to;
        ExecEvent::Gap { from: gap.from, to: gap.to }
    }

    fn piece(&mut self, output: Output) -> Result<ExecEvent, ReachError> {
        if output.offset != self.next {
            let (expected, got) = (self.next, output.offset);
            return Err(ReachError::protocol(format!("output goes on at {got} instead of {expected}")));
        }
        self.next += output.bytes.len() as u64;
        match output.source.as_known() {
            Some(OutputSource::OUTPUT_SOURCE_STDOUT) => Ok(ExecEvent::Stdout(output.bytes)),
            Some(OutputSource::OUTPUT_SOURCE_STDERR) => Ok(ExecEvent::Stderr(output.bytes)),
            Some(OutputSource::OUTPUT_SOURCE_TERMINAL) => Ok(ExecEvent::Pty(output.bytes)),
            _ => Err(ReachError::protocol("the sandbox's agent sent output from nowhere")),
        }
    }
}

#[async_trait]
impl ExecutionEvents for FollowEvents {
    async fn next_event(&mut self) -> Result<Option<ExecEvent>, ReachError> {
        if self.ending.is_some() {
            return Ok(None);
        }
        match self.next().await? {
            Some(Event::Gap(gap)) => Ok(Some(self.gap(&gap))),
            Some(Event::Output(output)) => self.piece(*output).map(Some),
            Some(Event::Exit(exit)) => {
                self.ending = Some(ending(&exit)?);
                // As with a command that we started: its end has been said.
                if let Err(error) = self.next().await {
                    tracing::debug!(%error, "a command's events broke off after its end");
                }
                Ok(None)
            }
            Some(Event::Started(_) | Event::KeepAlive(_)) => {
                Err(ReachError::protocol("the sandbox's agent started a command twice"))
            }
            None => Err(ReachError::protocol("the command's events ended without its end")),
        }
    }

    async fn wait(&mut self) -> Result<ExitStatus, ReachError> {
        while self.next_event().await?.is_some() {}
        match self.ending {
            Some(Ending { timed_out: true, .. }) => {
                Err(ReachError::new(ReachErrorKind::Deadline, "the command's time is up: it was killed"))
            }
            Some(Ending { status, .. }) => Ok(status),
            None => Err(ReachError::protocol("the command's events ended without its end")),
        }
    }
}
