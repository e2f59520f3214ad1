//! What happens in a directory.

use std::path::Path;

use futures::stream;
use futures::{StreamExt as _, TryStreamExt as _};
use hyper::body::Incoming;
use sandboxer_envd::agent::watch_response::Event;
use sandboxer_envd::agent::{AgentClient, WatchRequest, WatchResponse, WatchResponseView};
use sandboxer_envd::connectrpc::client::ServerStream;

use super::convert::{bytes, change_kind, path as from_wire};
use super::transport::{Transport, as_user};
use crate::{Events, ReachError, WatchEvent};

struct Watching {
    stream: ServerStream<Incoming, WatchResponseView<'static>>,
    transport: Transport,
}

/// Begins to watch; from its return on, nothing is missed.
pub(super) async fn watch(
    agent: &AgentClient<Transport>,
    transport: Transport,
    path: &Path,
    recursive: bool,
    user: Option<&str>,
) -> Result<Events<WatchEvent>, ReachError> {
    let request = WatchRequest { path: bytes(path), recursive };
    let stream = agent.watch_with_options(request, as_user(user)).await.map_err(|error| transport.failed(error))?;
    let mut watching = Watching { stream, transport };
    match watching.next().await? {
        Some(Event::Watching(_)) => {}
        _ => return Err(ReachError::protocol("the sandbox's agent does not watch")),
    }
    let events = stream::try_unfold(watching, |mut watching| async move {
        Ok::<_, ReachError>(match watching.next().await? {
            Some(Event::Change(change)) => {
                let event = WatchEvent::Changed { path: from_wire(&change.path), kind: change_kind(change.kind) };
                Some((event, watching))
            }
            Some(Event::Overflow(_)) => Some((WatchEvent::Overflow, watching)),
            Some(Event::Watching(_) | Event::KeepAlive(_)) | None => None,
        })
    });
    Ok(events.into_stream().boxed())
}

impl Watching {
    /// The next event, keepalives left out.
    async fn next(&mut self) -> Result<Option<Event>, ReachError> {
        loop {
            let message = self.stream.message::<WatchResponse>().await.map_err(|error| self.transport.failed(error))?;
            let Some(message) = message else { return Ok(None) };
            match message.to_owned_message().event {
                Some(Event::KeepAlive(_)) | None => {}
                Some(event) => return Ok(Some(event)),
            }
        }
    }
}
