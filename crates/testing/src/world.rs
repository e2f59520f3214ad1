//! What exists outside the engine: a backend's inventory, and the faults it will have.

use crate::machines::MachinePark;
use sandboxer_broker::state::ProcessId;
use sandboxer_sdk::{Call, Connection};
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Reachability, Residue, SandboxId};
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
    /// A way into a sandbox through its machine.
    Enter,
    /// A lease on a machine.
    PlaceLease,
    /// Its end.
    ReleaseLease,
    /// A look at those that a machine holds.
    Leases,
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
    unfinished: Mutex<Vec<Unfinished>>,
    answers: Mutex<Answers>,
    calls: Mutex<Vec<Seen>>,
    machines: Mutex<MachinePark>,
}

/// What the extension answers in place of what it would.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// To `provision`, in place of its handle.
    pub handle: Option<Handle>,
    /// To `wait_ready`, in place of its reachability.
    pub reachability: Option<Reachability>,
    /// To `connect`, which it does not have otherwise.
    pub connection: Option<Connection>,
    /// To `list`, where everything is.
    pub listed_on: Option<HostId>,
    /// A host about which `list` has no answer.
    pub silent_about: Option<HostId>,
    /// Failures of `provision` as they are, in order, before it does anything.
    pub failures: VecDeque<Failure>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Of which verb.
    pub verb: &'static str,
    /// The names of the secrets it was handed.
    pub secrets: Vec<String>,
    /// How often it had been tried.
    pub attempt: u32,
    /// The handle it was given, where it was given one.
    pub handle: Option<Handle>,
    /// Where ssh finds the host it is about.
    pub ssh: Option<String>,
}

/// Something that is being made, for a process that may be dead by now.
#[derive(Debug)]
struct Unfinished {
    process: ProcessId,
    sandbox_id: SandboxId,
    item: Item,
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
        self.machines(|park| (park.is_down, park.is_agentless, park.is_closed) = (false, false, false));
    }

    /// Lets the extension answer otherwise from now on.
    pub fn answer(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.answers());
    }

    pub(crate) fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machines: to look at, and to change.
    pub fn machines<T>(&self, act: impl FnOnce(&mut MachinePark) -> T) -> T {
        act(&mut self.machines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The sandboxes that a machine holds a lease for.
    pub fn leases(&self) -> Vec<SandboxId> {
        self.machines(|park| {
            // Behind the id stands whose it is.
            let ids = park.leases.keys().filter_map(|name| name.rsplit_once('-'));
            ids.filter_map(|(id, _)| id.parse().ok()).collect()
        })
    }

    /// Notes a call.
    pub(crate) fn see(&self, verb: &'static str, call: &Call, handle: Option<&Handle>) {
        let secrets = call.secrets.keys().cloned().collect();
        let seen = Seen {
            verb,
            secrets,
            attempt: call.attempt,
            handle: handle.cloned(),
            ssh: call.ssh.as_ref().map(ToString::to_string),
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    /// Every call so far, which are then forgotten.
    pub fn take_calls(&self) -> Vec<Seen> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A process begins to make something.
    pub(crate) fn begin(&self, process: &ProcessId, sandbox_id: &SandboxId, item: &Item) {
        let (process, sandbox_id, item) = (process.clone(), sandbox_id.clone(), item.clone());
        self.unfinished().push(Unfinished { process, sandbox_id, item });
    }

    /// It has made it, or has given up.
    pub(crate) fn end(&self, process: &ProcessId, sandbox_id: &SandboxId) {
        self.unfinished().retain(|one| (&one.process, &one.sandbox_id) != (process, sandbox_id));
    }

    /// Ends whatever is at work for a process.
    pub(crate) fn bury(&self, process: &ProcessId) {
        self.unfinished().retain(|one| one.process != *process);
    }

    /// What was begun for processes that are dead, and was never ended, comes to its end.
    pub fn finish_late(&self) {
        for Unfinished { sandbox_id, item, .. } in self.unfinished().drain(..) {
            self.put(&sandbox_id, item);
        }
    }

    fn unfinished(&self) -> std::sync::MutexGuard<'_, Vec<Unfinished>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn items(&self) -> std::sync::MutexGuard<'_, BTreeMap<SandboxId, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
