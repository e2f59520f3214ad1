//! Listing directories.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use sandboxer_envd::filesystem::EntryInfo;

use super::{entry, open};
use crate::accounts::Accounts;

/// An answer is one message: more entries are refused, not cut.
const MOST_ENTRIES: usize = 100_000;

/// The entries below `path`, `depth` levels deep, sorted by path. Links are listed, never followed; what goes away
/// meanwhile is left out.
pub(super) fn list(path: &Path, depth: u32, accounts: &Accounts) -> io::Result<Vec<EntryInfo>> {
    // Also refuses what no path should lead to.
    open::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    let mut entries = Vec::new();
    let mut folders = VecDeque::from([(path.to_owned(), 1)]);
    while let Some((folder, level)) = folders.pop_front() {
        let inner = match read_folder(&folder, accounts, &mut entries) {
            // The folder that was asked for must be readable; one below it may have gone.
            Err(error) if level > 1 && error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if level < depth.max(1) {
            folders.extend(inner.into_iter().map(|folder| (folder, level + 1)));
        }
    }
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}

/// Adds a folder's entries; gives the folders among them.
fn read_folder(folder: &Path, accounts: &Accounts, entries: &mut Vec<EntryInfo>) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for found in fs::read_dir(folder)? {
        let found = found?;
        let status = match found.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if entries.len() == MOST_ENTRIES {
            return Err(io::Error::new(io::ErrorKind::StorageFull, format!("more than {MOST_ENTRIES} entries")));
        }
        let path = found.path();
        entries.push(entry::of(&path, &status, accounts));
        if status.is_dir() {
            folders.push(path);
        }
    }
    Ok(folders)
}
