//! Machines that extensions work on: this one, or one that is reached by ssh.
//!
//! [`Machine`] is all that an extension may know of one, so that its unit tests run on a [`FakeMachine`], and what is
//! promised here is tested for both (`tests/machine`).

mod fake;
mod reached;

pub use fake::FakeMachine;
pub use reached::ReachedMachines;
pub use sandboxer_reach::sync::SyncReport;

use async_trait::async_trait;
use sandboxer_reach::Route;
use sandboxer_sdk::{CommandLine, CommandOutput};
use sandboxer_types::Failure;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Ways to machines.
#[async_trait]
pub trait Machines: Send + Sync {
    /// The machine that this leads to. It has answered, once.
    ///
    /// # Errors
    ///
    /// `host_unreachable`, `unavailable`, `unauthenticated`, `deadline` and their like, each with what to do; nothing was done there.
    async fn open(&self, route: &Route) -> Result<Arc<dyn Machine>, Failure>;
}

/// A machine that an extension works on.
#[async_trait]
pub trait Machine: Send + Sync {
    /// Where it is.
    fn route(&self) -> &Route;

    /// Runs a command there to its end, in its `directory` and with its `env` beside the login's; killed after `limit`,
    /// and when the returned future is dropped.
    ///
    /// # Errors
    ///
    /// A command that ended, however, is no error. A machine that was lost meanwhile is, with the residue `unknown`.
    async fn run(&self, command: &CommandLine, limit: Duration) -> Result<CommandOutput, Failure>;

    /// Makes the folder `target` there, an absolute path, the same as the folder `source` of this machine: everything that its
    /// ignore files do not match, committed or not. Sends only what differs, and removes there what an earlier call had
    /// sent and is gone here; what the sandbox made itself stays.
    async fn sync(&self, source: &Path, target: &str) -> Result<SyncReport, Failure>;

    /// Has the machine run `expire` when nobody renews that lease for so long. Renews one that is there.
    ///
    /// # Errors
    ///
    /// `unsupported` where no agent can run there, so that nobody would hold it.
    async fn place_lease(&self, name: &str, span: Duration, expire: &[String]) -> Result<(), Failure>;

    /// Gives a lease up. One that is not there is no error.
    async fn release_lease(&self, name: &str) -> Result<(), Failure>;

    /// The absolute path of our agent there: a static program that anybody's commands of that machine, and its containers, may
    /// be given to run. It stays there.
    ///
    /// # Errors
    ///
    /// `unsupported` where none can run there.
    async fn agent_path(&self) -> Result<String, Failure>;
}
