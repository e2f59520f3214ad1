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
    open: HashMap<String, Polled>,
}

#[derive(Debug)]
struct Polled {
    told: mpsc::Receiver<Told>,
    /// Why nothing more is told, once that is so.
    fault: Option<String>,
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
        watches.open.insert(id.clone(), Polled { told, fault: None });
        Ok(id)
    }

    /// What was told since the last call. A watch that broke, or of which something was lost, says so from the next call
    /// on.
    pub(in crate::files) fn take(&self, id: &str) -> Result<Vec<Told>, ConnectError> {
        let mut watches = self.watches();
        let polled = watches.open.get_mut(id).ok_or_else(|| unknown(id))?;
        let taken = polled.take();
        match &polled.fault {
            Some(fault) if taken.is_empty() => Err(ConnectError::internal(fault.clone())),
            _ => Ok(taken),
        }
    }

    /// Ends a watch.
    pub(in crate::files) fn remove(&self, id: &str) -> Result<(), ConnectError> {
        self.watches().open.remove(id).map(drop).ok_or_else(|| unknown(id))
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Polled {
    fn take(&mut self) -> Vec<Told> {
        let mut taken = Vec::new();
        while self.fault.is_none() {
            match self.told.try_recv() {
                Ok(told @ Told::Change(..)) => taken.push(told),
                Ok(Told::Overflow) => self.fault = Some("watcher error: more happened than could be told".to_owned()),
                Ok(Told::Broken(error)) => self.fault = Some(format!("watcher error: {error}")),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.fault = Some("watcher error: it has ended".to_owned());
                }
            }
        }
        taken
    }
}

fn unknown(id: &str) -> ConnectError {
    ConnectError::not_found(format!("watcher with id {id} not found"))
}
