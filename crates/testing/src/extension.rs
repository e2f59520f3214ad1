//! A backend in memory, with every verb the engine uses.

use crate::crash::CrashPoints;
use crate::world::{Fault, Item, Verb, World};
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_broker::state::ProcessId;
use sandboxer_sdk::{
    Call, Connect, Connection, Extend, List, Listed, ObservedState, Provision, Recover, Recovered, SandboxExtension,
    StatusReport, StatusVerb, Teardown,
};
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Handle, HostId, Object, Reachability, Residue, TimeSpan};
use std::sync::Arc;

/// Acts on a [`World`], in a process that may die around every call.
pub struct FakeExtension {
    world: Arc<World>,
    points: Arc<CrashPoints>,
    process: ProcessId,
}

impl FakeExtension {
    /// An extension of the process with these crash points.
    pub fn new(world: Arc<World>, points: Arc<CrashPoints>, process: ProcessId) -> Self {
        Self { world, points, process }
    }

    /// One call: dies before or after its effect when that is its time, and fails as the world planned.
    async fn call<T>(&self, verb: Verb, effect: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.points.pass().await;
        let fault = self.world.next_fault(verb);
        if let Some(fault) = fault.filter(|fault| !fault.after_effect) {
            return Err(failure(fault));
        }
        let result = effect();
        self.points.pass().await;
        match fault {
            Some(fault) => Err(failure(fault)),
            None => result,
        }
    }
}

fn failure(fault: Fault) -> Failure {
    Failure::new(fault.kind, "as planned").with_residue(fault.residue)
}

#[async_trait]
impl SandboxExtension for FakeExtension {
    async fn provision(&self, call: &Call, request: &Provision) -> Result<Handle, Failure> {
        self.world.see("provision", call, None);
        let failure = self.world.answers().failures.pop_front();
        if let Some(failure) = failure {
            return Err(failure);
        }
        let inputs = serde_json::Value::Object(request.inputs.clone()).to_string();
        let item = Item { labels: call.labels.clone(), inputs: inputs.clone() };
        // Whoever dies from here on may yet finish it.
        self.world.begin(&self.process, &request.sandbox_id, &item);
        let made = self.call(Verb::Provision, || {
            self.world.end(&self.process, &request.sandbox_id);
            if self.world.get(&request.sandbox_id).is_some_and(|item| item.inputs != inputs) {
                return Err(Failure::new(ErrorKind::Conflict, "other inputs").with_residue(Residue::Present));
            }
            self.world.put(&request.sandbox_id, item);
            let handle = self.world.answers().handle.clone();
            Ok(handle.unwrap_or_else(|| Handle::minimal(&request.sandbox_id, &request.host).with("made", true)))
        });
        let made = made.await;
        self.world.end(&self.process, &request.sandbox_id);
        made
    }

    async fn wait_ready(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        self.world.see("wait_ready", call, Some(handle));
        self.call(Verb::WaitReady, || {
            if !self.world.holds(&call.sandbox_id) {
                return Err(Failure::new(ErrorKind::NotReady, "it does not exist"));
            }
            if let Some(reachability) = &self.world.answers().reachability {
                return Ok(reachability.clone());
            }
            let host = handle.text("host").and_then(|host| host.parse().ok());
            Ok(Reachability { host, remote_dir: Some("/workspace".to_owned()), ..Reachability::default() })
        })
        .await
    }

    async fn teardown(&self, call: &Call, request: &Teardown) -> Result<CleanupReport, Failure> {
        self.world.see("teardown", call, Some(&request.handle));
        self.call(Verb::Teardown, || {
            let mut report = CleanupReport { complete: true, ..CleanupReport::default() };
            let what = format!("item {}", request.sandbox_id);
            if self.world.take(&request.sandbox_id) {
                report.removed.push(what)
            } else {
                report.already_absent.push(what)
            }
            Ok(report)
        })
        .await
    }

    fn recover(&self) -> Option<&dyn Recover> {
        Some(self)
    }

    fn list(&self) -> Option<&dyn List> {
        Some(self)
    }

    fn status(&self) -> Option<&dyn StatusVerb> {
        Some(self)
    }

    fn extend(&self) -> Option<&dyn Extend> {
        Some(self)
    }

    fn connect(&self) -> Option<&dyn Connect> {
        self.world.answers().connection.is_some().then_some(self as &dyn Connect)
    }
}

#[async_trait]
impl Connect for FakeExtension {
    async fn connect(&self, call: &Call, handle: &Handle) -> Result<Connection, Failure> {
        self.world.see("connect", call, Some(handle));
        self.world.answers().connection.clone().ok_or_else(|| Failure::new(ErrorKind::Unavailable, "no way in"))
    }
}

#[async_trait]
impl Recover for FakeExtension {
    async fn recover(&self, call: &Call, host: &HostId, _draft: Option<&Object>) -> Result<Recovered, Failure> {
        let handle = Handle::minimal(&call.sandbox_id, host).with("made", true);
        Ok(if self.world.holds(&call.sandbox_id) { Recovered::Present(handle) } else { Recovered::Absent })
    }
}

#[async_trait]
impl List for FakeExtension {
    /// Everything, whoever's it is: the engine must not rely on an extension's care.
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
        self.world.see("list", call, None);
        if self.world.answers().silent_about.as_ref() == Some(host) {
            return Err(Failure::new(ErrorKind::HostUnreachable, "no answer"));
        }
        let host = self.world.answers().listed_on.clone().unwrap_or_else(|| host.clone());
        let inventory = self.world.inventory().into_iter();
        let listed = |sandbox_id| {
            let labels = self.world.get(&sandbox_id)?.labels;
            Some(Listed { sandbox_id, host: host.clone(), labels, created_at: None })
        };
        Ok(inventory.filter_map(listed).collect())
    }
}

#[async_trait]
impl StatusVerb for FakeExtension {
    async fn status(&self, call: &Call, handle: &Handle) -> Result<StatusReport, Failure> {
        self.world.see("status", call, Some(handle));
        let state = if self.world.holds(&call.sandbox_id) { ObservedState::Running } else { ObservedState::Absent };
        Ok(StatusReport { state, detail: String::new() })
    }
}

#[async_trait]
impl Extend for FakeExtension {
    async fn extend(&self, call: &Call, handle: &Handle, ttl: TimeSpan) -> Result<Timestamp, Failure> {
        self.world.see("extend", call, Some(handle));
        self.call(Verb::Extend, || {
            if self.world.holds(&call.sandbox_id) {
                Ok(Timestamp::UNIX_EPOCH + ttl.as_duration())
            } else {
                Err(Failure::new(ErrorKind::NotFound, "it does not exist").with_residue(Residue::None))
            }
        })
        .await
    }
}
