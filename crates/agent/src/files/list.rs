//! Listing directories.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, DirEntry, Mode, OFlags};
use sandboxer_envd::filesystem::EntryInfo;

use super::place::entry_in;
use super::{entry, open};
use crate::accounts::Accounts;

/// An answer is one message: more entries are refused, not cut.
const MOST_ENTRIES: usize = 100_000;

/// The entries below `path`, `depth` levels deep, sorted by path. Links are listed, never followed; what goes away
/// meanwhile is left out.
pub(super) fn list(path: &Path, depth: u32, accounts: &Accounts) -> io::Result<Vec<EntryInfo>> {
    let mut entries = Vec::new();
    let mut folders = VecDeque::from([(path.to_owned(), 1)]);
    while let Some((folder, level)) = folders.pop_front() {
        let inner = match read_folder(&folder, accounts, &mut entries) {
            // The folder that was asked for must be readable; one below it may have gone, or be somebody else's.
            Err(error) if level > 1 && is_left_out(&error) => continue,
            other => other?,
        };
        if level < depth.max(1) {
            folders.extend(inner.into_iter().map(|folder| (folder, level + 1)));
        }
    }
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}

fn is_left_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory)
}

/// Adds a folder's entries; gives the folders among them.
fn read_folder(folder: &Path, accounts: &Accounts, entries: &mut Vec<EntryInfo>) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    let opened = open::open(folder, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    for name in names(&opened)? {
        let found = match entry_in(&opened, &name).and_then(|found| Ok((found.metadata()?, found))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if entries.len() == MOST_ENTRIES {
            return Err(io::Error::new(io::ErrorKind::StorageFull, format!("more than {MOST_ENTRIES} entries")));
        }
        let path = folder.join(&name);
        entries.push(entry::of(&path, &found.1, accounts)?);
        if found.0.is_dir() {
            folders.push(path);
        }
    }
    Ok(folders)
}

/// The names in a folder.
fn names(folder: &File) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        names.extend(own_name(&entry?));
    }
    Ok(names)
}

/// The name of an entry, unless it stands for the folder itself or the one above.
pub(super) fn own_name(entry: &DirEntry) -> Option<OsString> {
    let name = entry.file_name().to_bytes();
    (name != b"." && name != b"..").then(|| OsString::from_vec(name.to_vec()))
}
