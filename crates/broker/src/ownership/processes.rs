//! All processes that share a state directory, seen through their locks.

use super::{Liveness, PROCESS_GROUP, start_ticks};
use crate::state::ProcessId;
use async_trait::async_trait;
use rustix::fs::{FlockOperation, flock};
use sandboxer_sdk::ProcessGroup;
use sandboxer_types::{ErrorKind, Failure, Residue, Tether};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a killed group may take to end. What still lives then waits for a disk or a driver.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// Tells liveness from the locks in one folder.
#[derive(Debug, Clone)]
pub struct FileLocks {
    folder: PathBuf,
}

/// What a look at a lock finds.
enum Lock {
    /// Its holder lives.
    Held,
    /// There is none; with it went all that was known of its holder.
    Gone,
    /// Its holder is dead. Nobody can take it while this is kept.
    Free(#[allow(dead_code, reason = "kept for the lock on it")] File),
}

impl Lock {
    /// A file that was made a moment ago and is not locked yet has started nothing and written nothing either.
    fn look(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Gone),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(Self::Free(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(Self::Held),
            Err(error) => Err(error.into()),
        }
    }
}

impl FileLocks {
    /// Looks at the locks in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, process: &ProcessId) -> PathBuf {
        self.folder.join(&process.0)
    }

    async fn sweep_one(&self, process: &ProcessId) -> Result<(), Failure> {
        let path = self.path(process);
        // Kept until the file is gone: a process that has just made it waits for that, and makes another.
        let Lock::Free(_kept) = Lock::look(&path).map_err(|error| unsweepable(&error))? else { return Ok(()) };
        self.bury(process).await?;
        match std::fs::remove_file(&path) {
            // Somebody else swept it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| unsweepable(&error)),
        }
    }

    /// The processes that have a file.
    fn known(&self) -> io::Result<Vec<ProcessId>> {
        let names = std::fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let names: Vec<Option<String>> = names.collect::<io::Result<_>>()?;
        Ok(names.into_iter().flatten().map(ProcessId).collect())
    }
}

#[async_trait]
impl Liveness for FileLocks {
    fn is_alive(&self, process: &ProcessId) -> bool {
        match Lock::look(&self.path(process)) {
            Ok(lock) => matches!(lock, Lock::Held),
            Err(error) => {
                // Two owners would be worse than one that is thought alive for too long.
                tracing::warn!(%error, %process, "cannot tell whether a process lives");
                true
            }
        }
    }

    fn tether_is_alive(&self, tether: &Tether) -> bool {
        start_ticks(tether.pid) == Some(tether.start_ticks)
    }

    async fn bury(&self, process: &ProcessId) -> Result<(), Failure> {
        let listed = listed_groups(&self.path(process)).map_err(|error| {
            Failure::new(ErrorKind::Internal, format!("cannot tell what {process}, which is gone, has left running"))
                .with_residue(Residue::Present)
                .caused_by(&error)
        })?;
        // All are told before any is waited for: what ends first may be what the others wait for.
        let living: Vec<ProcessGroup> = living_groups(&listed, process).collect();
        futures::future::try_join_all(living.into_iter().map(|group| end(group, process))).await?;
        Ok(())
    }

    async fn sweep(&self) -> Result<(), Failure> {
        let mut outcome = Ok(());
        for process in self.known().map_err(|error| unsweepable(&error))? {
            // One that does not end keeps nobody from sweeping the others.
            outcome = outcome.and(self.sweep_one(&process).await);
        }
        outcome
    }
}

fn unsweepable(error: &io::Error) -> Failure {
    Failure::new(ErrorKind::Internal, "cannot look through the locks in the state directory")
        .with_residue(Residue::None)
        .caused_by(error)
}

/// The groups that a process has listed; none when its file is gone, which it is only once none of them lives. A number
/// that was cut short names a group of somebody else's, or none, and [`living_groups`] leaves those out.
pub(super) fn listed_groups(path: &Path) -> io::Result<BTreeSet<u32>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&bytes).split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect())
}

/// Those of them that still live and are that process's: a number may have been given to another program since.
pub(super) fn living_groups(listed: &BTreeSet<u32>, process: &ProcessId) -> impl Iterator<Item = ProcessGroup> {
    let groups = listed.iter().filter_map(|leader| ProcessGroup::of(*leader));
    groups.filter(|group| group.lives() && group.was_started_by(&process.0))
}

async fn end(group: ProcessGroup, process: &ProcessId) -> Result<(), Failure> {
    tracing::debug!(group = group.leader(), %process, "ends what a dead process has left running");
    group.kill(LAST_MOMENTS).await.map_err(|error| {
        let message = format!("process group {}, which {process} has left running, does not end", group.leader());
        let mut failure = Failure::new(ErrorKind::Busy, message)
            .with_residue(Residue::Present)
            .with_hint("nothing was taken over; try again once that group is gone")
            .caused_by(&error);
        failure.details.insert(PROCESS_GROUP.to_owned(), group.leader().into());
        failure
    })
}
