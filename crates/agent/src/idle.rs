//! Whether anybody still needs this agent.

use std::time::Duration;

use tokio::time::timeout;

use crate::shared::Shared;

/// Waits until for so long there was no connection, no lease and no command, nor anything that one has left to us.
pub(crate) async fn until_idle(shared: &Shared, patience: Duration) {
    loop {
        let mut changed = std::pin::pin!(shared.activity.changed.notified());
        changed.as_mut().enable();
        let idle = shared.activity.connections() == 0 && shared.leases.is_empty() && shared.processes.none_runs();
        if !idle {
            changed.await;
        } else if timeout(patience, changed).await.is_err() && !shared.processes.has_orphans() {
            return;
        }
    }
}
