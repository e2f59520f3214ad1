//! What is under way, as far as somebody waits for a change of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

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

    pub(crate) fn connections(&self) -> usize {
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
