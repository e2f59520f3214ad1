//! Machines that are reached by ssh, as the engine sees them.

use async_trait::async_trait;
use sandboxer_reach::Connector;
use sandboxer_types::{ErrorKind, Failure, Residue};

/// Ways to the agents of machines.
#[async_trait]
pub trait Machines: Send + Sync {
    /// The way to the agent of the machine at that ssh destination, which is put there where it lacks. Nothing is opened yet.
    async fn agent(&self, destination: &str) -> Result<Box<dyn Connector>, Failure>;
}

/// For engines whose sandboxes are reached otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMachines;

#[async_trait]
impl Machines for NoMachines {
    async fn agent(&self, destination: &str) -> Result<Box<dyn Connector>, Failure> {
        Err(Failure::new(ErrorKind::Unsupported, format!("`{destination}` cannot be reached by ssh from here"))
            .with_residue(Residue::Present))
    }
}
