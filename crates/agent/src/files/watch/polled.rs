//! Watches that clients ask from time to time instead of listening.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sandboxer_envd::connectrpc::ConnectError;
use tokio::sync::mpsc;

use super::task::Told;

/// So many at a time: nothing says when a client has gone for good, and the kernel gives a user 128 in all.
const MOST: usize = 64;

/// All watches of this kind.
#[derive(Debug, Default)]
pub(crate) struct PolledWatches(Mutex<Watches>);

#[derive(Debug, Default)]
struct Watches {
    count: u64,
    open: HashMap<String, mpsc::Receiver<Told>>,
}

impl PolledWatches {
    /// Takes a watch; gives its id.
    pub(in crate::files) fn add(&self, told: mpsc::Receiver<Told>) -> Result<String, ConnectError> {
        let mut watches = self.watches();
        if watches.open.len() == MOST {
            let message = format!("there are {MOST} watchers already: remove some by `RemoveWatcher`");
            return Err(ConnectError::resource_exhausted(message));
        }
        watches.count += 1;
        let id = format!("w{}", watches.count);
        watches.open.insert(id.clone(), told);
        Ok(id)
    }

    /// What was told since the last call.
    pub(in crate::files) fn take(&self, id: &str) -> Result<Vec<Told>, ConnectError> {
        let mut watches = self.watches();
        let told = watches.open.get_mut(id).ok_or_else(|| unknown(id))?;
        let mut taken = Vec::new();
        while let Ok(next) = told.try_recv() {
            taken.push(next);
        }
        Ok(taken)
    }

    /// Ends a watch.
    pub(in crate::files) fn remove(&self, id: &str) -> Result<(), ConnectError> {
        self.watches().open.remove(id).map(drop).ok_or_else(|| unknown(id))
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(id: &str) -> ConnectError {
    ConnectError::not_found(format!("watcher with id {id} not found"))
}
