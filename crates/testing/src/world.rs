//! What exists outside the engine: a backend's inventory, and the faults it will have.

use sandboxer_types::{ErrorKind, Residue, SandboxId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// The verbs a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// `provision`.
    Provision,
    /// `wait_ready`.
    WaitReady,
    /// `teardown`.
    Teardown,
    /// `extend`.
    Extend,
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The kind it answers.
    pub kind: ErrorKind,
    /// What it says was left behind.
    pub residue: Residue,
    /// Whether the effect happened before it failed.
    pub after_effect: bool,
}

/// The faults of calls to come, verb by verb, in order.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan(pub BTreeMap<Verb, VecDeque<Fault>>);

/// One thing the backend holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The labels it bears.
    pub labels: BTreeMap<String, String>,
    /// What it was made from.
    pub inputs: String,
}

/// The backend: what it holds, and how it will fail. Outlives every process.
#[derive(Debug, Default)]
pub struct World {
    items: Mutex<BTreeMap<SandboxId, Item>>,
    faults: Mutex<FaultPlan>,
}

impl World {
    /// Everything that exists.
    pub fn inventory(&self) -> Vec<SandboxId> {
        self.items().keys().cloned().collect()
    }

    /// Whether it exists.
    pub fn holds(&self, id: &SandboxId) -> bool {
        self.items().contains_key(id)
    }

    /// Makes something without the engine's knowledge, or with it.
    pub fn put(&self, id: &SandboxId, item: Item) {
        self.items().insert(id.clone(), item);
    }

    /// Takes something away; whether it was there.
    pub fn take(&self, id: &SandboxId) -> bool {
        self.items().remove(id).is_some()
    }

    /// What is held under `id`.
    pub fn get(&self, id: &SandboxId) -> Option<Item> {
        self.items().get(id).cloned()
    }

    /// Adds a fault for the next call of `verb` that has none yet.
    pub fn add_fault(&self, verb: Verb, fault: Fault) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).0.entry(verb).or_default().push_back(fault);
    }

    /// The fault of this call, if it has one.
    pub(crate) fn next_fault(&self, verb: Verb) -> Option<Fault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).0.get_mut(&verb)?.pop_front()
    }

    /// From now on nothing fails.
    pub fn mend(&self) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).0.clear();
    }

    fn items(&self) -> std::sync::MutexGuard<'_, BTreeMap<SandboxId, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
