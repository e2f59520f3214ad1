//! A command's input: one stream of messages, opened by the first write, so that its order is the writer's and a
//! write needs no round trip.

use async_trait::async_trait;
use bytes::Bytes;
use futures::SinkExt as _;
use futures::channel::mpsc;
use sandboxer_envd::agent::AgentClient;
use sandboxer_envd::process::process_input::Input;
use sandboxer_envd::process::stream_input_request::{DataEvent, Event, StartEvent};
use sandboxer_envd::process::{CloseStdinRequest, ProcessClient, ProcessInput, StreamInputRequest, UpdateRequest};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::convert::{pty, selector};
use super::session::send_signal;
use super::transport::Transport;
use crate::{ExecutionControl, ProcessSelector, ReachError, ReachErrorKind, SignalScope, WindowSize};

/// Larger writes are sent in pieces: the agent refuses a message above 4 MiB.
const LARGEST_PIECE: usize = 256 * 1024;

/// The way into one command.
pub(super) struct AgentInput {
    pub(super) process: ProcessClient<Transport>,
    pub(super) agent: AgentClient<Transport>,
    pub(super) transport: Transport,
    pub(super) command: ProcessSelector,
    pub(super) terminal: bool,
    pub(super) stream: Mutex<InputStream>,
}

/// The call that carries the input.
pub(super) enum InputStream {
    /// Nothing was written yet.
    Unopened,
    /// Under way.
    Open { messages: mpsc::Sender<StreamInputRequest>, call: JoinHandle<Result<(), ReachError>> },
    /// Ended, by us or by the command.
    Closed,
}

impl InputStream {
    /// Ends the call; answers once the agent has written everything.
    async fn finish(&mut self) -> Result<(), ReachError> {
        match std::mem::replace(self, Self::Closed) {
            Self::Open { mut messages, call } => {
                messages.close_channel();
                call.await.map_err(|error| ReachError::protocol("the input's task failed").with_source(error))?
            }
            Self::Unopened | Self::Closed => Ok(()),
        }
    }
}

impl AgentInput {
    fn open(&self) -> InputStream {
        let (mut messages, receiver) = mpsc::channel(1);
        let start = StartEvent { process: selector(&self.command).into() };
        // An empty channel with room for one takes this.
        let sent = messages.try_send(StreamInputRequest { event: Some(Event::Start(Box::new(start))) });
        debug_assert!(sent.is_ok());
        let (process, transport) = (self.process.clone(), self.transport.clone());
        let call = tokio::spawn(async move {
            process.stream_input(receiver).await.map(drop).map_err(|error| transport.failed(error))
        });
        InputStream::Open { messages, call }
    }

    fn message(&self, bytes: Bytes) -> StreamInputRequest {
        let input = if self.terminal { Input::Pty(bytes) } else { Input::Stdin(bytes) };
        let data = DataEvent { input: ProcessInput { input: Some(input) }.into() };
        StreamInputRequest { event: Some(Event::Data(Box::new(data))) }
    }
}

#[async_trait]
impl ExecutionControl for AgentInput {
    async fn write(&self, mut bytes: Bytes) -> Result<(), ReachError> {
        let mut stream = self.stream.lock().await;
        if matches!(*stream, InputStream::Unopened) {
            *stream = self.open();
        }
        while !bytes.is_empty() {
            let InputStream::Open { messages, .. } = &mut *stream else { return Err(input_closed()) };
            let piece = bytes.split_to(bytes.len().min(LARGEST_PIECE));
            if messages.send(self.message(piece)).await.is_err() {
                // The call ended before its input did: its own answer says why.
                return Err(stream.finish().await.err().map_or_else(input_closed, as_input_closed));
            }
        }
        Ok(())
    }

    async fn close_stdin(&self) -> Result<(), ReachError> {
        self.stream.lock().await.finish().await.map_err(as_input_closed)?;
        let request = CloseStdinRequest { process: selector(&self.command).into() };
        match self.process.close_stdin(request).await.map_err(|error| self.transport.failed(error)) {
            // A command that ended has no input left to close.
            Err(error) if error.kind() == ReachErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }

    async fn resize(&self, size: WindowSize) -> Result<(), ReachError> {
        let request = UpdateRequest { process: selector(&self.command).into(), pty: pty(size).into() };
        self.process.update(request).await.map(drop).map_err(|error| self.transport.failed(error))
    }

    async fn signal(&self, signal: i32) -> Result<(), ReachError> {
        send_signal(&self.agent, &self.transport, &self.command, signal, SignalScope::Group).await
    }
}

fn input_closed() -> ReachError {
    ReachError::new(ReachErrorKind::InputClosed, "the command takes no more input")
}

/// A command that ended or closed its end refuses input in several ways that mean the same to a writer.
fn as_input_closed(error: ReachError) -> ReachError {
    match error.kind() {
        ReachErrorKind::NotFound | ReachErrorKind::Precondition => input_closed().with_source(error),
        _ => error,
    }
}
