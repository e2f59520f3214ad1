//! The way into the sandbox, made again when it breaks.

use super::super::Session as CliSession;
use crate::error::CommandResult;
use sandboxer_reach::{ReachErrorKind, Session};
use sandboxer_types::{ErrorKind, SandboxId};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the way is looked after. Who connects meanwhile is told that it is broken.
const INTERVAL: Duration = Duration::from_secs(1);
/// So often in a row it is made again.
const MOST_ATTEMPTS: u32 = 5;

/// The way that new connections take.
pub(super) struct Way(Mutex<Arc<dyn Session>>);

impl Way {
    pub(super) fn new(session: Arc<dyn Session>) -> Self {
        Self(Mutex::new(session))
    }

    pub(super) fn session(&self) -> Arc<dyn Session> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps it whole until the sandbox's end.
    pub(super) async fn outlast(&self, session: &CliSession<'_>, id: &SandboxId) -> CommandResult<()> {
        let mut attempts = 0;
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.session().health().await {
                Err(error) if error.kind() == ReachErrorKind::Unreachable => {}
                Ok(()) | Err(_) => {
                    attempts = 0;
                    continue;
                }
            }
            match session.control().enter(id).await {
                Ok(entrance) => *self.0.lock().unwrap_or_else(PoisonError::into_inner) = entrance.session,
                Err(failure) if matches!(failure.kind, ErrorKind::Precondition | ErrorKind::NotFound) => {
                    session.output.note(&format!("`{id}` is not ready any more"));
                    return Ok(());
                }
                Err(failure) if attempts == MOST_ATTEMPTS => return Err(failure.into()),
                Err(_) => attempts += 1,
            }
        }
    }
}
