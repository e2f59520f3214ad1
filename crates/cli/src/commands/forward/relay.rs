//! Connections that come in, each joined to one of its own inside.

use super::door::Door;
use super::way::Way;
use crate::error::{CommandResult, local_fault};
use crate::ui::Output;
use crate::ui::text::harmless;
use sandboxer_reach::{ByteStream, ReachError, Target};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// One forward.
pub(super) struct Relay {
    local: String,
    remote: Target,
    way: Arc<Way>,
    output: Output,
    /// The fault that was said last.
    said: Mutex<Option<String>>,
}

impl Relay {
    pub(super) fn new(local: String, remote: Target, way: Arc<Way>, output: Output) -> Self {
        Self { local, remote, way, output, said: Mutex::default() }
    }

    async fn join(self: Arc<Self>, mut outside: Box<dyn ByteStream>) {
        let mut inside = match self.way.session().connect(&self.remote, None).await {
            Ok(inside) => inside,
            Err(error) => return self.complain(&error),
        };
        self.said().take();
        // An end of one direction is passed on, and the other one goes on.
        if let Err(error) = tokio::io::copy_bidirectional(&mut outside, &mut inside).await {
            tracing::debug!(%error, "a forwarded connection broke");
        }
    }

    /// Says what is wrong, once until it is something else.
    fn complain(&self, error: &ReachError) {
        let text = format!("{} → {}: {}", self.local, self.remote, harmless(&error.to_string()));
        let mut said = self.said();
        if said.as_ref() != Some(&text) {
            self.output.warning(&text);
            *said = Some(text);
        }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes connections in for ever.
pub(super) async fn serve(door: Door, relay: Arc<Relay>) -> CommandResult<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = door.accept() => match accepted {
                Ok(outside) => drop(connections.spawn(Arc::clone(&relay).join(outside))),
                Err(error) if may_pass(&error) => tracing::debug!(%error, "a connection was not taken in"),
                Err(error) => return Err(local_fault("take connections in", &error).into()),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A connection that went away before it was taken in.
fn may_pass(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | NotConnected)
        || error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error())
}
