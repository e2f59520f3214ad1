//! What a watch tells, in envd's words.

use std::time::Duration;

use futures::Stream;
use sandboxer_envd::connectrpc::ConnectError;
use sandboxer_envd::filesystem::watch_dir_response::{Event, KeepAlive, StartEvent};
use sandboxer_envd::filesystem::{EventType, FilesystemEvent, WatchDirResponse};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::watch::{ChangeKind, Told};
use crate::paths::text;

/// What one client wants.
pub(super) struct Watching {
    pub(super) told: mpsc::Receiver<Told>,
    pub(super) keepalive: Duration,
    /// When the client has had its time.
    pub(super) until: Option<Instant>,
}

#[derive(Clone, Copy)]
enum State {
    Begin,
    Middle,
    Over,
}

impl Watching {
    /// Start, then events and keepalives.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<WatchDirResponse, ConnectError>> + Send {
        futures::stream::unfold((State::Begin, self), |(state, mut watching)| async move {
            let (event, state) = match state {
                State::Begin => (Ok(Event::Start(Box::new(StartEvent {}))), State::Middle),
                State::Middle => watching.next().await?,
                State::Over => return None,
            };
            Some((event.map(|event| WatchDirResponse { event: Some(event) }), (state, watching)))
        })
    }

    async fn next(&mut self) -> Option<(Result<Event, ConnectError>, State)> {
        let silence = Instant::now() + self.keepalive;
        tokio::select! {
            biased;
            told = self.told.recv() => match event(told?) {
                Ok(event) => Some((Ok(Event::Filesystem(Box::new(event))), State::Middle)),
                Err(error) => Some((Err(error), State::Over)),
            },
            () = sleep_until(self.until.unwrap_or(silence)), if self.until.is_some() => {
                Some((Err(ConnectError::deadline_exceeded("the time to watch is up")), State::Over))
            }
            () = sleep_until(silence) => Some((Ok(Event::Keepalive(Box::new(KeepAlive {}))), State::Middle)),
        }
    }
}

/// One event. That events were lost is an error, since envd has no event for it.
pub(super) fn event(told: Told) -> Result<FilesystemEvent, ConnectError> {
    match told {
        Told::Change(change, entry) => Ok(FilesystemEvent {
            name: text(&change.path),
            r#type: event_type(change.kind).into(),
            entry: entry.map(|entry| *entry).into(),
        }),
        Told::Overflow => Err(ConnectError::internal("watcher error: more happened than could be told")),
        Told::Broken(error) => Err(ConnectError::internal(format!("watcher error: {error}"))),
    }
}

fn event_type(kind: ChangeKind) -> EventType {
    match kind {
        ChangeKind::Created => EventType::EVENT_TYPE_CREATE,
        ChangeKind::Written => EventType::EVENT_TYPE_WRITE,
        ChangeKind::Removed => EventType::EVENT_TYPE_REMOVE,
        ChangeKind::MovedAway => EventType::EVENT_TYPE_RENAME,
        ChangeKind::Attributes => EventType::EVENT_TYPE_CHMOD,
    }
}
