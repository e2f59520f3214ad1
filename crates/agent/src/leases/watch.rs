//! Ending what runs out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::table::Due;
use super::timer::Timer;
use crate::process;
use crate::shared::Shared;

/// How long a lease's command may run.
const PATIENCE: Duration = Duration::from_secs(300);
/// So many leases' commands run at once: all leases may run out together.
const AT_ONCE: usize = 8;

/// Ends what runs out, for as long as the agent lives.
pub(crate) async fn watch(shared: Arc<Shared>) -> io::Result<()> {
    let timer = Timer::new()?;
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        // Listens before it looks, so that no change falls between.
        let changed = shared.activity.changed.notified();
        let mut changed = std::pin::pin!(changed);
        changed.as_mut().enable();
        for due in shared.leases.take_due() {
            tokio::spawn(end(Arc::clone(&shared), Arc::clone(&turns), due));
        }
        match shared.leases.next() {
            None => changed.await,
            Some(next) => tokio::select! {
                () = changed => {}
                elapsed = timer.wait_until(next) => elapsed?,
            },
        }
    }
}

async fn end(shared: Arc<Shared>, turns: Arc<Semaphore>, due: Due) {
    let Due { name, expire, attempts } = due;
    shared.processes.kill_under(&name);
    let outcome = if expire.is_empty() {
        Ok(())
    } else {
        // It is never closed.
        let _turn = turns.acquire().await.ok();
        process::run(&shared, expire, format!("lease:{name}"), PATIENCE).await
    };
    shared.leases.ended(&name, attempts, outcome);
}
