//! The runs of the suite in the state directory: `<state>/conformance/<extension>/<run>.json` is a run's ledger, and the file beside it
//! that ends in `.lock` is locked for as long as somebody works on the run.

use crate::config::make_private;
use crate::error::{CommandResult, local_fault};
use rustix::fs::{FlockOperation, flock};
use sandboxer_conformance::{Entry, Ledger};
use sandboxer_sdk::{Ids, SystemIds};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A run that this process works on.
#[derive(Debug)]
pub(crate) struct Run {
    id: String,
    folder: PathBuf,
    _lock: File,
}

impl Run {
    /// A new one in this folder, which is made where it is missing.
    pub(crate) fn begin(folder: &Path) -> CommandResult<Self> {
        make_private(folder)?;
        let id = SystemIds.fresh().to_string().to_ascii_lowercase();
        Self::join(folder, &id)
    }

    /// One that another process works on, too.
    pub(crate) fn join(folder: &Path, id: &str) -> CommandResult<Self> {
        let locked = hold(&lock_path(folder, id), FlockOperation::LockShared);
        let lock = locked.map_err(|error| local_fault("lock a run of the conformance suite", &error))?;
        Ok(Self { id: id.to_owned(), folder: folder.to_owned(), _lock: lock })
    }

    /// Its name.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Its ledger.
    pub(crate) fn ledger(&self) -> CommandResult<Ledger> {
        Ledger::open(self.folder.join(format!("{}.json", self.id))).map_err(|fault| {
            let source = std::error::Error::source(&fault).map(ToString::to_string).unwrap_or_default();
            local_fault(format!("go on: {fault}"), &io::Error::other(source)).into()
        })
    }

    /// What may still exist of it.
    pub(crate) fn entries(&self) -> CommandResult<Vec<Entry>> {
        Ok(self.ledger()?.entries())
    }

    /// Ends it: without anything that may exist, nothing is kept of it.
    pub(crate) fn end(self) -> CommandResult<()> {
        if !self.entries()?.is_empty() {
            return Ok(());
        }
        for ending in ["draft", "json", "lock"] {
            match std::fs::remove_file(self.folder.join(format!("{}.{ending}", self.id))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(local_fault("remove what is kept of a run of the conformance suite", &error).into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The runs in this folder that nobody works on any more, and of which something may exist. Nobody else takes one of them while it is kept.
pub(crate) fn abandoned(folder: &Path) -> CommandResult<Vec<Run>> {
    let cannot = |error: io::Error| local_fault("look for earlier runs of the conformance suite", &error);
    let mut found = Vec::new();
    for id in ids(folder).map_err(cannot)? {
        let lock = match hold(&lock_path(folder, &id), FlockOperation::NonBlockingLockExclusive) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(cannot(error).into()),
        };
        let run = Run { id, folder: folder.to_owned(), _lock: lock };
        match run.entries()?.is_empty() {
            true => run.end()?,
            false => found.push(run),
        }
    }
    Ok(found)
}

fn ids(folder: &Path) -> io::Result<BTreeSet<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let mut ids = BTreeSet::new();
    for entry in entries {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.split_once('.')).map(|(stem, _)| stem.to_owned());
        ids.extend(stem.filter(|stem| !stem.is_empty()));
    }
    Ok(ids)
}

fn lock_path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.lock"))
}

/// Locks the file at `path`, which is made where it is missing.
fn hold(path: &Path, how: FlockOperation) -> io::Result<File> {
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        rustix::io::retry_on_intr(|| flock(&file, how))?;
        // Until it was locked, it looked like one that nobody needs any more, and may have been removed.
        match std::fs::metadata(path) {
            Ok(found) if is_same(&file.metadata()?, &found) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_abandoned_once_nobody_works_on_it_and_something_may_exist() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = Run::begin(folder.path()).expect("begun");
        let worker = Run::join(folder.path(), run.id()).expect("joined");
        let entry = r#"[{"sandbox_id":"a","host":"localhost","owner":"own01m84r47g68kk3vvkgcpnyf2qw","inputs":{}}]"#;
        std::fs::write(folder.path().join(format!("{}.json", run.id())), entry).expect("ours");
        drop(run);
        assert!(abandoned(folder.path()).expect("looked").is_empty(), "the worker lives");
        drop(worker);
        let found = abandoned(folder.path()).expect("looked");
        assert_eq!(found.len(), 1);
        assert!(abandoned(folder.path()).expect("looked").is_empty(), "somebody has it already");
        assert_eq!(found[0].entries().expect("read").len(), 1);
    }

    #[test]
    fn nothing_is_kept_of_a_run_that_has_left_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = Run::begin(folder.path()).expect("begun");
        drop(run);
        assert!(abandoned(folder.path()).expect("looked").is_empty());
        Run::begin(folder.path()).expect("begun").end().expect("ended");
        assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 0);
        assert!(abandoned(&folder.path().join("absent")).expect("looked").is_empty());
    }
}
