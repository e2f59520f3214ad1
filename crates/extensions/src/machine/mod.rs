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
use sandboxer_types::{CleanupReport, Failure};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How much longer than a sandbox its lease on a machine lasts: a tenth, within these. Whoever made it ends it first, and has some
/// time for that.
const GRACE: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(120);

/// For how long a machine is to hold the lease of a sandbox that may live for so long.
pub(crate) fn lease_span(ttl: Duration) -> Duration {
    ttl.saturating_add((ttl / 10).clamp(*GRACE.start(), *GRACE.end()))
}

/// What a report says of a lease that was given up.
pub(crate) fn report_lease(report: &mut CleanupReport, was_there: bool) {
    match was_there {
        true => report.removed.push("lease".to_owned()),
        false => report.already_absent.push("lease: the machine's agent holds none of that name".to_owned()),
    }
}

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

    /// Gives a lease up. Says whether there was one.
    ///
    /// # Errors
    ///
    /// As [`place_lease`](Self::place_lease). One that is not there is none.
    async fn release_lease(&self, name: &str) -> Result<bool, Failure>;

    /// The absolute path of our agent there: a static program that anybody's commands of that machine, and its containers, may
    /// be given to run. It stays there.
    ///
    /// # Errors
    ///
    /// `unsupported` where none can run there.
    async fn agent_path(&self) -> Result<String, Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlasts_its_sandbox_a_little() {
        for (ttl, span) in [(4, 9), (60, 66), (600, 660), (3600, 3720)] {
            assert_eq!(lease_span(Duration::from_secs(ttl)), Duration::from_secs(span));
        }
        assert_eq!(lease_span(Duration::MAX), Duration::MAX);
    }
}
