//! Whether anybody still needs this agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::shared::Shared;

/// Counts what is under way, and wakes whoever waits for a change.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    connections: AtomicUsize,
    pub(crate) changed: Notify,
}

/// A connection, for as long as it lives.
pub(crate) struct Connection(Arc<Activity>);

impl Activity {
    pub(crate) fn connection(self: &Arc<Self>) -> Connection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
        Connection(Arc::clone(self))
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits until the last connection is gone.
    pub(crate) async fn until_unconnected(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.connections() == 0 {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }
}

/// Waits until for so long there was no connection, no lease and no command.
pub(crate) async fn until_idle(shared: &Shared, patience: Duration) {
    loop {
        let mut changed = std::pin::pin!(shared.activity.changed.notified());
        changed.as_mut().enable();
        let idle = shared.activity.connections() == 0 && shared.leases.is_empty() && shared.processes.none_runs();
        if !idle {
            changed.await;
        } else if timeout(patience, changed).await.is_err() {
            return;
        }
    }
}
