//! Machines that sandboxes are on, as the engine sees them: this one, and those that are reached by ssh.

use async_trait::async_trait;
use sandboxer_reach::{Doorway, Entered, Lease, ReachError, ReachErrorKind, Route};
use sandboxer_types::HostId;
use std::time::Duration;

/// Ways to machines. Every method may be called again after a failure, and does then what is left to do.
#[async_trait]
pub trait Machines: Send + Sync {
    /// Whether a name that stands in no catalog is one that the user's ssh config knows.
    async fn is_alias(&self, name: &HostId) -> bool;

    /// A way in by our agent, which is put there where it lacks; where none can run, by the machine's shell alone.
    async fn enter(&self, route: &Route, door: &Doorway) -> Result<Entered, ReachError>;

    /// A way into the machine itself, as whoever logs in there.
    async fn visit(&self, route: &Route) -> Result<Entered, ReachError> {
        Err(out_of_reach(route))
    }

    /// Has the machine run `expire` once nobody has renewed the lease of that sandbox for `span`; without words, it ends at least
    /// what runs there under the sandbox's name. Renews a lease that is there.
    ///
    /// # Errors
    ///
    /// `AgentCannotRun` where nobody would hold it.
    async fn place_lease(&self, route: &Route, name: &str, span: Duration, expire: &[String])
    -> Result<(), ReachError>;

    /// Ends what runs there under a sandbox's name, our agent among it, and gives its lease up. What is absent is no error.
    async fn release_lease(&self, route: &Route, name: &str) -> Result<(), ReachError>;

    /// The leases that the machine holds for us.
    async fn leases(&self, route: &Route) -> Result<Vec<Lease>, ReachError>;
}

/// For engines whose sandboxes are reached otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMachines;

fn out_of_reach(route: &Route) -> ReachError {
    ReachError::new(ReachErrorKind::Unsupported, format!("`{route}` cannot be reached from here"))
}

#[async_trait]
impl Machines for NoMachines {
    async fn is_alias(&self, _name: &HostId) -> bool {
        false
    }

    async fn enter(&self, route: &Route, _door: &Doorway) -> Result<Entered, ReachError> {
        Err(out_of_reach(route))
    }

    async fn place_lease(
        &self,
        route: &Route,
        _name: &str,
        _span: Duration,
        _expire: &[String],
    ) -> Result<(), ReachError> {
        Err(out_of_reach(route))
    }

    async fn release_lease(&self, route: &Route, _name: &str) -> Result<(), ReachError> {
        Err(out_of_reach(route))
    }

    async fn leases(&self, route: &Route) -> Result<Vec<Lease>, ReachError> {
        Err(out_of_reach(route))
    }
}
