//! What has to happen, decided without doing any of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::local::{Entries, Entry, Kind as LocalKind, Time};
use super::record::Record;
use super::remote::{Found, FoundKind, Listing};
use crate::{ReachError, ReachErrorKind as Kind};

/// Every change of the other side, in the order in which they are made.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What is remembered before anything is sent, so that what arrived of a sync that broke off is known; absent for what is
    /// remembered already.
    pub(super) record_before: Option<Record>,
    /// Folders that must allow changes first.
    pub(super) open: Vec<PathBuf>,
    /// Everything but folders.
    pub(super) unlink: Vec<PathBuf>,
    /// Those that are empty then, the innermost first.
    pub(super) rmdir: Vec<PathBuf>,
    /// Entries that are new or different, folders before what is in them.
    pub(super) send: Vec<(PathBuf, Entry)>,
    /// Folders that get their modes and times once they are filled, the innermost first.
    pub(super) finish: Vec<(PathBuf, Entry)>,
    /// What is remembered once all has arrived.
    pub(super) record_after: Option<Record>,
    removed: u64,
}

impl Plan {
    /// Compares both sides. `began` is when this side was looked at.
    pub(super) fn new(local: &Entries, listing: &Listing, began: SystemTime) -> Result<Self, ReachError> {
        let mut plan = Self::default();
        let gone = plan.remove_what_is_gone(local, listing);
        plan.make_way(local, listing, &gone)?;
        let differs = |path: &Path, entry: &Entry| match listing.found.get(path) {
            Some(found) => !is_same(path, entry, found, &listing.record),
            None => true,
        };
        let different = local.iter().filter(|(path, entry)| differs(path, entry));
        plan.send = different.map(|(path, entry)| (path.clone(), entry.clone())).collect();
        plan.open_and_finish(local, listing);
        plan.remember(local, listing, began);
        plan.rmdir.sort_by(|one, other| other.cmp(one));
        Ok(plan)
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        !self.sends() && self.unlink.is_empty() && self.rmdir.is_empty() && self.record_after.is_none()
    }

    /// Whether anything is sent but the words what to remove.
    pub(super) fn sends(&self) -> bool {
        !self.send.is_empty() || !self.finish.is_empty()
    }

    /// How many entries are sent.
    pub(super) fn sent(&self) -> u64 {
        self.send.len() as u64
    }

    /// How many entries are removed since they are gone here.
    pub(super) fn removed(&self) -> u64 {
        self.removed
    }

    /// What was sent once and is gone here. Of folders only those that hold nothing else: what the sandbox made stays.
    fn remove_what_is_gone<'a>(&mut self, local: &Entries, listing: &'a Listing) -> BTreeSet<&'a Path> {
        let is_folder = |path: &Path| {
            path.as_os_str().is_empty() || listing.found.get(path).is_some_and(|found| found.kind == FoundKind::Folder)
        };
        // Through folders alone: what is behind a link is none of ours.
        let is_there = |path: &Path| listing.found.contains_key(path) && path.ancestors().skip(1).all(&is_folder);
        let is_gone = |path: &&PathBuf| !local.contains_key(*path) && is_there(path);
        let gone: BTreeSet<&Path> = listing.record.paths.iter().filter(is_gone).map(PathBuf::as_path).collect();
        for path in &gone {
            match listing.found.get(*path).map(|found| &found.kind) {
                Some(FoundKind::Folder) if !holds_only(path, &listing.found, &gone) => continue,
                Some(FoundKind::Folder) => self.rmdir.push(path.to_path_buf()),
                Some(_) => self.unlink.push(path.to_path_buf()),
                None => continue,
            }
            self.removed += 1;
        }
        gone
    }

    /// Removes what stands where something of another kind goes, so that nothing is written through a link.
    fn make_way(&mut self, local: &Entries, listing: &Listing, gone: &BTreeSet<&Path>) -> Result<(), ReachError> {
        for (path, entry) in local {
            let Some(found) = listing.found.get(path) else { continue };
            match (&entry.kind, &found.kind) {
                (LocalKind::Folder, FoundKind::Folder)
                | (LocalKind::File { .. }, FoundKind::File { .. })
                | (LocalKind::Link { .. }, FoundKind::Link { .. }) => {}
                (_, FoundKind::Folder) if holds_only(path, &listing.found, gone) => self.rmdir.push(path.clone()),
                (_, FoundKind::Folder) => return Err(in_the_way(path)),
                _ => self.unlink.push(path.clone()),
            }
        }
        Ok(())
    }

    fn open_and_finish(&mut self, local: &Entries, listing: &Listing) {
        let sent = self.send.iter().map(|(path, _)| path);
        let touched: BTreeSet<&Path> =
            sent.chain(&self.unlink).chain(&self.rmdir).filter_map(|path| path.parent()).collect();
        let closed = |path: &Path| {
            listing.found.get(path).is_some_and(|found| found.kind == FoundKind::Folder && found.mode & 0o700 != 0o700)
        };
        let mut open: Vec<PathBuf> =
            touched.iter().filter(|path| closed(path)).map(|path| path.to_path_buf()).collect();
        let new = self.send.iter().map(|(path, _)| path.as_path());
        let finish: BTreeSet<&Path> = touched.iter().copied().chain(new).collect();
        let folder = |path: &&Path| {
            let entry = local.get(*path).filter(|entry| entry.kind == LocalKind::Folder)?;
            Some((path.to_path_buf(), entry.clone()))
        };
        self.finish = finish.iter().rev().filter_map(folder).collect();
        self.open.append(&mut open);
    }

    fn remember(&mut self, local: &Entries, listing: &Listing, began: SystemTime) {
        let old = &listing.record.paths;
        let new: BTreeSet<PathBuf> = local.keys().cloned().collect();
        let all: BTreeSet<PathBuf> = old.union(&new).cloned().collect();
        // Times that were cut can only be told apart by when they were sent.
        let cut = |(path, entry): (&PathBuf, &Entry)| {
            listing.found.get(path).is_some_and(|found| found.modified.1 == 0 && entry.modified.1 != 0)
        };
        let moves_on = !self.send.is_empty() && local.iter().any(cut);
        if all != *old || moves_on {
            self.record_before = Some(Record { began: Time::default(), paths: all.clone() });
        }
        // Where nobody can tell what is there, what is gone here cannot be removed yet.
        let kept = if listing.found.is_empty() { all } else { new };
        if self.record_before.is_some() || kept != *old {
            let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
            let began = (i64::try_from(began.as_secs()).unwrap_or(i64::MAX), began.subsec_nanos());
            self.record_after = Some(Record { began, paths: kept });
        }
    }
}

/// Whether everything in a folder of the other side goes.
fn holds_only(folder: &Path, found: &BTreeMap<PathBuf, Found>, gone: &BTreeSet<&Path>) -> bool {
    let behind = found.range::<Path, _>((Bound::Excluded(folder), Bound::Unbounded));
    behind.map(|(path, _)| path).take_while(|path| path.starts_with(folder)).all(|path| gone.contains(path.as_path()))
}

fn in_the_way(path: &Path) -> ReachError {
    let message =
        format!("the sandbox has a folder `{}` with things of its own, where something else goes", path.display());
    ReachError::new(Kind::Precondition, message).with_hint("move that folder away in the sandbox")
}

fn is_same(path: &Path, entry: &Entry, found: &Found, record: &Record) -> bool {
    match (&entry.kind, &found.kind) {
        (LocalKind::Folder, FoundKind::Folder) => entry.mode == found.mode,
        (LocalKind::Link { target }, FoundKind::Link { target: found }) => found.as_ref() == Some(target),
        (LocalKind::File { size }, FoundKind::File { size: found_size }) => {
            size == found_size && entry.mode == found.mode && is_same_time(path, entry.modified, found.modified, record)
        }
        _ => false,
    }
}

/// Not every machine keeps more than seconds. There a file may have changed within the second of its last sync, unless that began
/// only after its last change.
fn is_same_time(path: &Path, local: Time, found: Time, record: &Record) -> bool {
    local == found || (found == (local.0, 0) && local < record.began && record.paths.contains(path))
}
