//! What the suite has made: written down before it is made, struck out once it is verified gone.

use sandboxer_types::{HostId, Object, OwnerId, SandboxId};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that may exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The name it was made by.
    pub sandbox_id: SandboxId,
    /// Where.
    pub host: HostId,
    /// For whom.
    pub owner: OwnerId,
    /// From what.
    pub inputs: Object,
    /// Snapshots of it that may exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
}

/// The list of everything that a run has made and not yet seen gone, in a file that outlives the run.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    entries: Mutex<Vec<Entry>>,
}

/// The ledger cannot be kept; then nothing may be made.
#[derive(Debug, thiserror::Error)]
#[error("the list of what the suite makes cannot be kept in `{}`", path.display())]
pub struct LedgerFault {
    path: PathBuf,
    source: io::Error,
}

impl Ledger {
    /// The ledger in this file, with what an earlier run has left in it.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be read, or its folder cannot be made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LedgerFault> {
        let path = path.into();
        let read = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            match std::fs::read(&path) {
                Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        };
        let entries = read().map_err(|source| LedgerFault { path: path.clone(), source })?;
        Ok(Self { path, entries: Mutex::new(entries) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything that may exist, in the order in which it was made.
    pub fn entries(&self) -> Vec<Entry> {
        self.held().clone()
    }

    /// Writes it down. Durable when this returns.
    pub(crate) fn enter(&self, entry: Entry) -> Result<(), LedgerFault> {
        self.change(|entries| entries.push(entry))
    }

    /// Writes down that a snapshot of it may exist.
    pub(crate) fn enter_snapshot(&self, sandbox_id: &SandboxId, snapshot_id: &str) -> Result<(), LedgerFault> {
        self.change(|entries| {
            for entry in entries.iter_mut().filter(|entry| entry.sandbox_id == *sandbox_id) {
                entry.snapshots.push(snapshot_id.to_owned());
            }
        })
    }

    /// Strikes it out: it was seen gone.
    pub(crate) fn strike(&self, sandbox_id: &SandboxId) -> Result<(), LedgerFault> {
        self.change(|entries| entries.retain(|entry| entry.sandbox_id != *sandbox_id))
    }

    fn change(&self, act: impl FnOnce(&mut Vec<Entry>)) -> Result<(), LedgerFault> {
        let mut entries = self.held();
        act(&mut entries);
        write(&self.path, &entries).map_err(|source| LedgerFault { path: self.path.clone(), source })
    }

    fn held(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// At once or not at all. Without entries there is no file.
fn write(path: &Path, entries: &[Entry]) -> io::Result<()> {
    if entries.is_empty() {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let draft = path.with_extension("draft");
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(&serde_json::to_vec(entries)?)?;
    // What is made may be elsewhere, and outlive a loss of power here.
    file.sync_all()?;
    std::fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_entered_is_found_by_the_next_until_it_is_struck_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("runs/one.json");
        let entry = Entry {
            sandbox_id: "a".parse().expect("valid"),
            host: HostId::localhost(),
            owner: OwnerId::from_ulid(ulid::Ulid::nil()),
            inputs: Object::new(),
            snapshots: Vec::new(),
        };
        let first = Ledger::open(&path).expect("opened");
        assert!(!path.exists(), "nothing made, nothing kept");
        first.enter(entry.clone()).expect("entered");
        first.enter_snapshot(&entry.sandbox_id, "kept").expect("entered");
        drop(first);
        let second = Ledger::open(&path).expect("opened");
        assert_eq!(second.entries(), [Entry { snapshots: vec!["kept".to_owned()], ..entry.clone() }]);
        second.strike(&entry.sandbox_id).expect("struck");
        assert!(!path.exists());
    }
}
