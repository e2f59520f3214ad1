//! A folder of a sandbox made the same as a folder of this machine, over any session, by sending only what differs.
//!
//! Everything counts that the ignore files of the source do not match, committed or not, what its repository holds although
//! they match it, and the repository itself. The other side needs a shell, `tar` and the usual small programs: one command
//! tells what stands there, a second one takes a stream of what differs. What an earlier sync had sent is remembered beside the folder
//! (`.<name>.sandboxer-sync`; where nobody may write there, in its repository or in itself), so that what is gone here is
//! removed there, and what the sandbox made itself never is.
//!
//! No link is followed on this side. On the other, none by an agent that tells its commands where it is ([`AGENT_VARIABLE`]): a
//! sandbox may share a folder with a machine whose user has more rights than it, and exchange folders for links all the while.
//! There the agent's program takes the stream instead of `tar`. Where it cannot run, and inside sandboxes, a script does: it follows no link that stands there when the
//! sync begins, but one that is put there during the sync may lead it anywhere that its user may write.
//!
//! [`AGENT_VARIABLE`]: crate::AGENT_VARIABLE

mod archive;
mod git;
mod local;
mod plan;
mod record;
mod remote;
mod shell;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::{ReachError, ReachErrorKind as Kind, Session};
use plan::Plan;
use remote::{Standing, Target};

/// What a sync may leave out, and as whom it acts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// The user of the sandbox to act as; its default user when absent.
    pub user: Option<String>,
    /// Folders of this machine that are not sent, wherever in the source they are.
    pub leave_out: Vec<PathBuf>,
}

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Files, links and folders that are there now by it.
    pub entries: u64,
    /// Those of them that were sent.
    pub sent: u64,
    /// Bytes of contents that were sent.
    pub bytes: u64,
    /// Those that were removed there.
    pub removed: u64,
    /// What could not be read here and was left out, a line each.
    pub warnings: Vec<String>,
}

/// Makes the folder `target` the same as the folder `source` of this machine; makes it first where it is absent.
///
/// Kinds, contents, permission bits and times of the last change are the same then, and links lead where they led; where there is only
/// busybox, times to the second, and not of every folder. Sockets, pipes and devices are left out. A sync that breaks off leaves nothing that a later one takes for whole.
///
/// # Errors
///
/// `Local` where the source cannot be read; `InvalidInput` for a target that is no path; `Precondition` where the target is a
/// link or no folder, where the sandbox has a folder with things of its own in a place of a file, and where its programs refuse;
/// `Unsupported` without `tar`; and whatever a command of the session may fail with.
pub async fn sync(
    session: &dyn Session,
    source: &Path,
    target: &str,
    options: &SyncOptions,
) -> Result<SyncReport, ReachError> {
    let target = Target::new(target)?;
    let began = now();
    let (source, listing) =
        futures::try_join!(local::read(source, &options.leave_out), remote::list(session, &target, options))?;
    let plan = Plan::new(&source.entries, &listing, began)?;
    let mut report = SyncReport {
        entries: source.entries.len() as u64,
        sent: plan.sent(),
        removed: plan.removed(),
        warnings: source.warnings.clone(),
        bytes: 0,
    };
    if plan.is_empty() && listing.standing != Standing::Absent {
        return Ok(report);
    }
    let archive = archive::Archive::of(Arc::new(source), &plan);
    let written = remote::apply(session, &target, options, &listing, &plan, archive).await?;
    report.bytes = written.bytes;
    report.sent -= written.vanished.len() as u64;
    report.entries -= written.vanished.len() as u64;
    report.warnings.extend(written.vanished);
    Ok(report)
}

/// Only compared with times of files of this machine, which have the same clock.
#[allow(clippy::disallowed_methods, reason = "times of files are this clock's, whatever tests say the time is")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn wrong_target(why: &str) -> ReachError {
    ReachError::new(Kind::InvalidInput, format!("a folder cannot be put there: {why}"))
}
