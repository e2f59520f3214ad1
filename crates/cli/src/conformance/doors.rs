//! The suite's ways into sandboxes: those that the engine has.

use crate::machines::ReachedMachines;
use async_trait::async_trait;
use sandboxer_broker::Machines;
use sandboxer_conformance::Doors;
use sandboxer_reach::{Doorway, Entered, ReachError, ReachErrorKind, Route};
use sandboxer_types::SandboxMark;

/// Machines, as the engine reaches them.
pub(super) struct HostDoors(pub(super) ReachedMachines);

#[async_trait]
impl Doors for HostDoors {
    async fn enter(&self, route: &Route, door: &Doorway) -> Result<Entered, ReachError> {
        self.0.enter(route, door).await
    }

    async fn visit(&self, route: &Route) -> Result<Entered, ReachError> {
        self.0.visit(route).await
    }

    async fn leave(&self, route: &Route, sandbox: &SandboxMark) -> Result<(), ReachError> {
        match self.0.release_lease(route, sandbox.as_str()).await {
            // Where no agent runs, nothing of ours runs under its name.
            Err(error) if error.kind() == ReachErrorKind::AgentCannotRun => Ok(()),
            left => left,
        }
    }
}
