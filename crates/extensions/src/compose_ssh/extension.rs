//! The extension itself: the verbs, each in a file of its own.

use super::{inputs, provision, ready, remove, verbs};
use crate::machine::Machines;
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_sdk::{
    Call, Clock, Extend, List, Listed, Provision, Recover, Recovered, SandboxExtension, StatusReport, StatusVerb,
    SystemClock, Teardown, Validate,
};
use sandboxer_types::{CleanupReport, Failure, Handle, HostId, Object, Reachability, TimeSpan};
use std::sync::Arc;

/// `ext.compose-ssh`.
#[derive(Clone)]
pub struct ComposeSshExtension {
    machines: Arc<dyn Machines>,
    clock: Arc<dyn Clock>,
}

impl ComposeSshExtension {
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
impl SandboxExtension for ComposeSshExtension {
    async fn provision(&self, call: &Call, request: &Provision) -> Result<Handle, Failure> {
        provision::provision(self.machines.as_ref(), call, request).await
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
}

#[async_trait]
impl Validate for ComposeSshExtension {
    async fn validate(&self, _call: &Call, request: &Provision) -> Result<Object, Failure> {
        inputs::admit(request).map(|_| request.inputs.clone())
    }
}

#[async_trait]
impl Recover for ComposeSshExtension {
    async fn recover(&self, call: &Call, host: &HostId, _draft: Option<&Object>) -> Result<Recovered, Failure> {
        verbs::recover(self.machines.as_ref(), call, host).await
    }
}

#[async_trait]
impl List for ComposeSshExtension {
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
        verbs::list(self.machines.as_ref(), call, host).await
    }
}

#[async_trait]
impl StatusVerb for ComposeSshExtension {
    async fn status(&self, call: &Call, handle: &Handle) -> Result<StatusReport, Failure> {
        verbs::status(self.machines.as_ref(), call, handle).await
    }
}

#[async_trait]
impl Extend for ComposeSshExtension {
    async fn extend(&self, call: &Call, handle: &Handle, ttl: TimeSpan) -> Result<Timestamp, Failure> {
        let ends = self.clock.now().checked_add(ttl.as_duration()).unwrap_or(Timestamp::MAX);
        verbs::extend(self.machines.as_ref(), call, handle, ttl).await?;
        Ok(ends)
    }
}
