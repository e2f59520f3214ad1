//! Ways into sandboxes that lie on machines.

use async_trait::async_trait;
use sandboxer_reach::{Doorway, Entered, ReachError, ReachErrorKind, Route};
use sandboxer_types::SandboxMark;

/// Ways to machines, as the host has them.
#[async_trait]
pub trait Doors: Send + Sync {
    /// A session inside of a sandbox that is entered through a machine.
    async fn enter(&self, route: &Route, door: &Doorway) -> Result<Entered, ReachError>;
    /// A session of the machine itself.
    async fn visit(&self, route: &Route) -> Result<Entered, ReachError>;
    /// Ends what runs on the machine under that sandbox's name, and gives its lease up: the undo of [`Self::enter`].
    async fn leave(&self, route: &Route, sandbox: &SandboxMark) -> Result<(), ReachError>;
}

/// No ways to machines: sandboxes are entered by their agent's socket, or as `connect` says.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDoors;

fn none() -> ReachError {
    ReachError::new(ReachErrorKind::Unsupported, "this suite was given no ways to machines")
}

#[async_trait]
impl Doors for NoDoors {
    async fn enter(&self, _route: &Route, _door: &Doorway) -> Result<Entered, ReachError> {
        Err(none())
    }

    async fn visit(&self, _route: &Route) -> Result<Entered, ReachError> {
        Err(none())
    }

    async fn leave(&self, _route: &Route, _sandbox: &SandboxMark) -> Result<(), ReachError> {
        Ok(())
    }
}
