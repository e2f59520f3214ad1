//! A command's events in envd's words.

use std::time::Duration;

use futures::Stream;
use http::HeaderMap;
use sandboxer_envd::connectrpc::ConnectError;
use sandboxer_envd::process::ProcessEvent;
use sandboxer_envd::process::process_event::data_event::Output;
use sandboxer_envd::process::process_event::{DataEvent, EndEvent, Event as Wire, KeepAlive, StartEvent};
use tokio::time::{Instant, sleep_until};

use super::followers::Events;
use super::hub::{End, Event};
use super::kept::Source;
use super::status::Exit;

/// How often a follower without output hears that the connection still stands, unless it asks otherwise.
const KEEPALIVE: Duration = Duration::from_secs(90);
/// It may ask for no less and no more.
const SHORTEST_KEEPALIVE: Duration = Duration::from_secs(1);
const LONGEST_KEEPALIVE: Duration = Duration::from_secs(3600);

/// Nobody's absence may hold a command back for longer.
const LONGEST_LINGER: Duration = Duration::from_secs(60);

/// What one follower wants.
pub(super) struct Following {
    pub(super) pid: u32,
    pub(super) events: Events,
    pub(super) keepalive: Duration,
    /// When the follower, not the command, has had its time.
    pub(super) until: Option<Instant>,
}

/// The interval a request asks for, in seconds; an hour at most.
pub(crate) fn keepalive(headers: &HeaderMap) -> Duration {
    let wanted = headers.get("keepalive-ping-interval").and_then(|value| value.to_str().ok()?.parse().ok());
    let wanted = wanted.filter(|seconds| *seconds > 0).map_or(KEEPALIVE, Duration::from_secs);
    wanted.clamp(SHORTEST_KEEPALIVE, LONGEST_KEEPALIVE)
}

/// How long a command waits for whoever asks so, when the connection breaks; in milliseconds, a minute at most.
pub(crate) fn linger(headers: &HeaderMap) -> Option<Duration> {
    let wanted = headers.get("sandboxer-linger")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(wanted).min(LONGEST_LINGER))
}

/// Whether a command is to be killed when the connection of whoever started it breaks.
pub(crate) fn tethered(headers: &HeaderMap) -> bool {
    headers.get("sandboxer-tethered").is_some_and(|value| value == "true")
}

enum State {
    Begin,
    Middle,
    Over,
}

impl Following {
    /// Start, then output and keepalives, then the end.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<ProcessEvent, ConnectError>> + Send + 'static {
        futures::stream::unfold((State::Begin, self), |(state, mut following)| async move {
            let (event, state) = match state {
                State::Begin => (Ok(Wire::Start(Box::new(StartEvent { pid: following.pid }))), State::Middle),
                State::Middle => following.next().await,
                State::Over => return None,
            };
            Some((event.map(|event| ProcessEvent { event: Some(event) }), (state, following)))
        })
    }

    async fn next(&mut self) -> (Result<Wire, ConnectError>, State) {
        let silence = Instant::now() + self.keepalive;
        tokio::select! {
            biased;
            event = self.events.next() => match event {
                Ok(Event::Data(piece)) => (Ok(data(piece.source, piece.bytes)), State::Middle),
                Ok(Event::End(End { timed_out: true, .. })) => (Err(out_of_time()), State::Over),
                Ok(Event::End(end)) => (Ok(ended(end.exit)), State::Over),
                Err(missed) => (Err(missed.into()), State::Over),
            },
            () = sleep_until(self.until.unwrap_or(silence)), if self.until.is_some() => {
                (Err(ConnectError::deadline_exceeded("the time to follow the command is up")), State::Over)
            }
            () = sleep_until(silence) => (Ok(Wire::Keepalive(Box::new(KeepAlive {}))), State::Middle),
        }
    }
}

fn out_of_time() -> ConnectError {
    ConnectError::deadline_exceeded("the command's time is up: it was killed")
}

fn data(source: Source, bytes: bytes::Bytes) -> Wire {
    let output = match source {
        Source::Stdout => Output::Stdout(bytes),
        Source::Stderr => Output::Stderr(bytes),
        Source::Terminal => Output::Pty(bytes),
    };
    Wire::Data(Box::new(DataEvent { output: Some(output) }))
}

fn ended(exit: Exit) -> Wire {
    let status = exit.text();
    Wire::End(Box::new(EndEvent {
        exit_code: exit.envd_code(),
        exited: matches!(exit, Exit::Code(_)),
        error: (exit != Exit::Code(0)).then(|| status.clone()),
        status,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_speaks_go() {
        let Wire::End(end) = ended(Exit::Signal { signal: 9, core_dumped: false }) else { panic!() };
        assert_eq!((end.exit_code, end.exited, end.status.as_str()), (-1, false, "signal: killed"));
        assert_eq!(end.error.as_deref(), Some("signal: killed"));
        let Wire::End(end) = ended(Exit::Code(0)) else { panic!() };
        assert_eq!((end.exit_code, end.exited, end.status.as_str(), end.error), (0, true, "exit status 0", None));
    }

    #[test]
    fn the_interval_is_in_seconds() {
        let mut headers = HeaderMap::new();
        assert_eq!(keepalive(&headers), KEEPALIVE);
        headers.insert("keepalive-ping-interval", "50".parse().unwrap());
        assert_eq!(keepalive(&headers), Duration::from_secs(50));
        headers.insert("keepalive-ping-interval", "0".parse().unwrap());
        assert_eq!(keepalive(&headers), KEEPALIVE);
        // Anything longer could not be added to the time it is now.
        headers.insert("keepalive-ping-interval", u64::MAX.to_string().parse().unwrap());
        assert_eq!(keepalive(&headers), LONGEST_KEEPALIVE);
    }
}
