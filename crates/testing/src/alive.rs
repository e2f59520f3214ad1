//! Which processes live, and what is still at work for those that do not.

use crate::World;
use async_trait::async_trait;
use sandboxer_broker::Liveness;
use sandboxer_broker::state::ProcessId;
use sandboxer_types::{ErrorKind, Failure, Residue, Tether};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Who lives on a machine.
#[derive(Debug, Default)]
pub(crate) struct Alive {
    living: Mutex<BTreeSet<ProcessId>>,
    world: Arc<World>,
    stubborn: AtomicBool,
}

impl Alive {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world, ..Self::default() }
    }

    pub(crate) fn set(&self) -> std::sync::MutexGuard<'_, BTreeSet<ProcessId>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What dead processes have started does not end from now on, or does again.
    pub(crate) fn set_stubborn(&self, stubborn: bool) {
        self.stubborn.store(stubborn, Ordering::SeqCst);
    }
}

#[async_trait]
impl Liveness for Alive {
    fn is_alive(&self, process: &ProcessId) -> bool {
        self.set().contains(process)
    }

    fn tether_is_alive(&self, tether: &Tether) -> bool {
        self.is_alive(&ProcessId(format!("tether-{}", tether.pid)))
    }

    async fn bury(&self, process: &ProcessId) -> Result<(), Failure> {
        assert!(!self.is_alive(process), "{process} lives, and is to be buried");
        if self.stubborn.load(Ordering::SeqCst) {
            let mut failure = Failure::new(
                ErrorKind::Busy,
                format!("process group 77, which {process} has left running, does not end"),
            )
            .with_residue(Residue::Present);
            failure.details.insert("process_group".to_owned(), 77.into());
            return Err(failure);
        }
        self.world.bury(process);
        Ok(())
    }

    async fn sweep(&self) -> Result<(), Failure> {
        Ok(())
    }
}
