//! A command's output from any offset on, in the agent's own words.

use std::collections::VecDeque;
use std::time::Duration;

use futures::Stream;
use sandboxer_envd::agent::exit::Outcome;
use sandboxer_envd::agent::follow_response::{Event as Wire, Gap, KeepAlive, Output, Started};
use sandboxer_envd::agent::{self, FollowResponse, OutputSource, SignalExit};
use sandboxer_envd::connectrpc::ConnectError;
use tokio::time::{Instant, timeout_at};

use super::command::SharedCommand;
use super::followers::Events;
use super::hub::{BeyondEnd, End, Event};
use super::kept::{Piece, Source};
use super::status::Exit;

/// What one follower wants.
pub(super) struct Wanted {
    /// From this offset on; from now on when absent.
    pub(super) from: Option<u64>,
    /// Only what is there already.
    pub(super) only_kept: bool,
    /// Whether output may be lost rather than the command be held back.
    pub(super) may_lose: bool,
    pub(super) keepalive: Duration,
}

/// What is still to be told.
struct Telling {
    before: VecDeque<Wire>,
    later: Later,
    keepalive: Duration,
}

/// Where what comes later is heard.
enum Later {
    /// From the command, which waits for us.
    Held(Events),
    /// From what is kept, if it still is.
    Read { command: SharedCommand, offset: u64 },
    /// Nothing more is told.
    Over,
}

/// All that is told to one follower.
pub(super) fn follow(
    command: SharedCommand,
    wanted: &Wanted,
) -> Result<impl Stream<Item = Result<FollowResponse, ConnectError>> + Send + use<>, BeyondEnd> {
    // Who holds nobody back is no follower of the command's.
    let (replay, events) = match wanted.only_kept || wanted.may_lose {
        true => (command.hub.look(wanted.from)?, None),
        false => command.hub.replay(wanted.from).map(|(replay, events)| (replay, Some(events)))?,
    };
    let started = Started { pid: command.pid, offset: replay.start, terminal: command.input.terminal().is_some() };
    let mut before = VecDeque::from([Wire::Started(Box::new(started))]);
    before.extend(gap(wanted.from.unwrap_or(replay.start), replay.start));
    let offset = replay.pieces.last().map_or(replay.start, end_of);
    before.extend(replay.pieces.into_iter().map(output));
    let later = match events {
        Some(events) => Later::Held(events),
        None if wanted.only_kept => Later::Over,
        None => Later::Read { command, offset },
    };
    let telling = Telling { before, later, keepalive: wanted.keepalive };
    Ok(futures::stream::unfold(telling, |mut telling| async move {
        let event = telling.next().await?;
        Some((event.map(|event| FollowResponse { event: Some(event) }), telling))
    }))
}

fn gap(from: u64, to: u64) -> Option<Wire> {
    (from < to).then(|| Wire::Gap(Box::new(Gap { from, to })))
}

fn end_of(piece: &Piece) -> u64 {
    piece.offset + piece.bytes.len() as u64
}

impl Telling {
    async fn next(&mut self) -> Option<Result<Wire, ConnectError>> {
        loop {
            if let Some(event) = self.before.pop_front() {
                return Some(Ok(event));
            }
            if matches!(self.later, Later::Over) {
                return None;
            }
            let silence = Instant::now() + self.keepalive;
            match timeout_at(silence, self.later.hear(&mut self.before)).await {
                Err(_) => return Some(Ok(Wire::KeepAlive(Box::new(KeepAlive {})))),
                Ok(Err(error)) => {
                    self.later = Later::Over;
                    return Some(Err(error));
                }
                Ok(Ok(())) => {}
            }
        }
    }
}

impl Later {
    /// Waits for more, and adds it to what is to be told. Cancelling it loses nothing.
    async fn hear(&mut self, told: &mut VecDeque<Wire>) -> Result<(), ConnectError> {
        match self {
            Self::Over => {}
            Self::Held(events) => match events.next().await? {
                Event::Data(piece) => told.push_back(output(piece)),
                Event::End(end) => {
                    told.push_back(Wire::Exit(Box::new(exit(end))));
                    *self = Self::Over;
                }
            },
            Self::Read { command, offset } => {
                let found = command.hub.read(*offset).await;
                told.extend(gap(*offset, found.start));
                *offset = found.pieces.last().map_or(found.start, end_of);
                told.extend(found.pieces.into_iter().map(output));
                if let Some(end) = found.end {
                    told.push_back(Wire::Exit(Box::new(exit(end))));
                    *self = Self::Over;
                }
            }
        }
        Ok(())
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
