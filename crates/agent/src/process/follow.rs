//! A command's output from any offset on, in the agent's own words.

use std::collections::VecDeque;
use std::time::Duration;

use futures::Stream;
use sandboxer_envd::agent::exit::Outcome;
use sandboxer_envd::agent::follow_response::{Event as Wire, Gap, KeepAlive, Output, Started};
use sandboxer_envd::agent::{self, FollowResponse, OutputSource, SignalExit};
use sandboxer_envd::connectrpc::ConnectError;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::command::Command;
use super::hub::{BeyondEnd, End, Event, Source};
use super::kept::Piece;
use super::status::Exit;

/// What one follower wants.
pub(super) struct Wanted {
    /// From this offset on; from now on when absent.
    pub(super) from: Option<u64>,
    /// Only what is there already.
    pub(super) only_kept: bool,
    pub(super) keepalive: Duration,
}

/// What is still to be told.
struct Telling {
    before: VecDeque<Wire>,
    events: Option<mpsc::Receiver<Event>>,
    keepalive: Duration,
}

/// All that is told to one follower.
pub(super) fn follow(
    command: &Command,
    wanted: &Wanted,
) -> Result<impl Stream<Item = Result<FollowResponse, ConnectError>> + Send + use<>, BeyondEnd> {
    let replay = command.hub.replay(wanted.from)?;
    let started = Started { pid: command.pid, offset: replay.start, terminal: command.input.terminal().is_some() };
    let lost = wanted.from.filter(|from| *from < replay.start).map(|from| Gap { from, to: replay.start });
    let mut before = VecDeque::from([Wire::Started(Box::new(started))]);
    before.extend(lost.map(|gap| Wire::Gap(Box::new(gap))));
    before.extend(replay.pieces.into_iter().map(output));
    let events = (!wanted.only_kept).then_some(replay.events);
    let telling = Telling { before, events, keepalive: wanted.keepalive };
    Ok(futures::stream::unfold(telling, |mut telling| async move {
        let event = telling.next().await?;
        Some((event.map(|event| FollowResponse { event: Some(event) }), telling))
    }))
}

impl Telling {
    async fn next(&mut self) -> Option<Result<Wire, ConnectError>> {
        if let Some(event) = self.before.pop_front() {
            return Some(Ok(event));
        }
        let events = self.events.as_mut()?;
        let event = match timeout_at(Instant::now() + self.keepalive, events.recv()).await {
            Err(_) => Ok(Wire::KeepAlive(Box::new(KeepAlive {}))),
            Ok(Some(Event::Data(piece))) => Ok(output(piece)),
            Ok(Some(Event::End(end))) => {
                self.events = None;
                Ok(Wire::Exit(Box::new(exit(end))))
            }
            Ok(None) => {
                self.events = None;
                Err(ConnectError::unavailable("the agent is ending"))
            }
        };
        Some(event)
    }
}

fn output(piece: Piece) -> Wire {
    let source = match piece.source {
        Source::Stdout => OutputSource::OUTPUT_SOURCE_STDOUT,
        Source::Stderr => OutputSource::OUTPUT_SOURCE_STDERR,
        Source::Terminal => OutputSource::OUTPUT_SOURCE_TERMINAL,
    };
    Wire::Output(Box::new(Output { offset: piece.offset, source: source.into(), bytes: piece.bytes }))
}

/// How a command ended.
pub(super) fn exit(end: End) -> agent::Exit {
    let outcome = match end.exit {
        Exit::Code(code) => Outcome::Code(code),
        Exit::Signal { signal, core_dumped } => Outcome::Signal(Box::new(SignalExit { signal, core_dumped })),
    };
    agent::Exit { outcome: Some(outcome), timed_out: end.timed_out }
}
