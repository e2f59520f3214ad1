//! The extension itself: the verbs, each in a file of its own.

use super::{admission, provision, ready, remove, verbs};
use crate::machine::Machines;
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_sdk::{
    Call, Clock, Extend, List, Listed, Provision, Recover, Recovered, SandboxExtension, StatusReport, StatusVerb,
    SystemClock, Teardown, Validate,
};
use sandboxer_types::{CleanupReport, Failure, Handle, HostId, Object, Reachability, TimeSpan};
use std::sync::Arc;

/// `ext.vm-packer`, in attach mode.
#[derive(Clone)]
pub struct VmPackerExtension {
    machines: Arc<dyn Machines>,
    clock: Arc<dyn Clock>,
}

impl VmPackerExtension {
    /// An extension that reaches machines that way.
    pub fn new(machines: Arc<dyn Machines>) -> Self {
        Self { machines, clock: Arc::new(SystemClock) }
    }

    /// Tells the time by another clock. Leases are measured by the machine's, whatever this one says.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

#[async_trait]
impl SandboxExtension for VmPackerExtension {
    async fn provision(&self, call: &Call, request: &Provision) -> Result<Handle, Failure> {
        provision::provision(self.machines.as_ref(), self.clock.as_ref(), call, request).await
    }

    async fn wait_ready(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        ready::wait(self.machines.as_ref(), call, handle).await
    }

    async fn teardown(&self, call: &Call, request: &Teardown) -> Result<CleanupReport, Failure> {
        remove::teardown(self.machines.as_ref(), call, request).await
    }

    fn validate(&self) -> Option<&dyn Validate> {
        Some(self)
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

    fn version(&self) -> Option<&str> {
        Some(env!("CARGO_PKG_VERSION"))
    }
}

#[async_trait]
impl Validate for VmPackerExtension {
    async fn validate(&self, call: &Call, request: &Provision) -> Result<Object, Failure> {
        admission::admit(call, request).map(|wanted| wanted.inputs)
    }
}

#[async_trait]
impl Recover for VmPackerExtension {
    async fn recover(&self, call: &Call, host: &HostId, _draft: Option<&Object>) -> Result<Recovered, Failure> {
        verbs::recover(self.machines.as_ref(), call, host).await
    }
}

#[async_trait]
impl List for VmPackerExtension {
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
        verbs::list(self.machines.as_ref(), call, host).await
    }
}

#[async_trait]
impl StatusVerb for VmPackerExtension {
    async fn status(&self, call: &Call, handle: &Handle) -> Result<StatusReport, Failure> {
        verbs::status(self.machines.as_ref(), call, handle).await
    }
}

#[async_trait]
impl Extend for VmPackerExtension {
    async fn extend(&self, call: &Call, handle: &Handle, ttl: TimeSpan) -> Result<Timestamp, Failure> {
        let ends = self.clock.now().checked_add(ttl.as_duration()).unwrap_or(Timestamp::MAX);
        verbs::extend(self.machines.as_ref(), call, handle, ttl).await.map(|()| ends)
    }
}
