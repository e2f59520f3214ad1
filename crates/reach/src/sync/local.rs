//! What a folder of this machine holds, as far as it is sent.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::git::tracked_though_ignored;
use super::record;
use crate::ReachError;
use crate::work_tree::{GitTree, Identity, identity, unignored, way_to};

/// A time of a last change: seconds since 1970, and nanoseconds more.
pub(super) type Time = (i64, u32);

/// What is sent of an entry beside its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Permission bits, without those that lend rights.
    pub(super) mode: u32,
    pub(super) modified: Time,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File { size: u64 },
    Folder,
    Link { target: PathBuf },
}

/// Entries by their paths below the folder; what is in a folder stands right behind it.
pub(super) type Entries = BTreeMap<PathBuf, Entry>;

/// The folder, opened, with what is sent of it.
#[derive(Debug)]
pub(super) struct Source {
    folder: OwnedFd,
    pub(super) entries: Entries,
    pub(super) warnings: Vec<String>,
}

/// Looks through a folder.
pub(super) async fn read(source: &Path, leave_out: &[PathBuf]) -> Result<Source, ReachError> {
    let unreadable = |error| ReachError::local(format!("cannot read the folder `{}`", source.display()), error);
    let source = std::path::absolute(source).map_err(unreadable)?;
    let opened = rustix::fs::open(&source, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let folder = opened.map_err(|error| unreadable(error.into()))?;
    let tracked = tracked_though_ignored(&source).await;
    let path = source.clone();
    let left_out = leave_out.iter().filter_map(|folder| identity(folder)).collect();
    let walk = move || Walk { path, left_out, entries: Entries::new(), warnings: Vec::new() }.run(tracked);
    let (entries, warnings) = tokio::task::spawn_blocking(walk).await.map_err(|error| unreadable(error.into()))?;
    Ok(Source { folder, entries, warnings })
}

impl Source {
    /// Opens a file that is sent, through no link.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::openat2(&self.folder, path, flags, Mode::empty(), resolve)?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

impl Entry {
    /// `None` for what is neither file nor folder nor link.
    fn of(path: &Path, status: &Metadata) -> io::Result<Option<Self>> {
        let kind = if status.is_dir() {
            Kind::Folder
        } else if status.is_file() {
            Kind::File { size: status.len() }
        } else if status.is_symlink() {
            Kind::Link { target: std::fs::read_link(path)? }
        } else {
            return Ok(None);
        };
        Ok(Some(Self { kind, mode: status.mode() & 0o777, modified: modified(status) }))
    }
}

/// When a file last changed.
pub(super) fn modified(status: &Metadata) -> Time {
    (status.mtime(), u32::try_from(status.mtime_nsec()).unwrap_or(0))
}

struct Walk {
    path: PathBuf,
    left_out: Vec<Identity>,
    entries: Entries,
    warnings: Vec<String>,
}

impl Walk {
    fn run(mut self, tracked: Result<Vec<PathBuf>, String>) -> (Entries, Vec<String>) {
        let git = GitTree::of(&self.path);
        if git == GitTree::Linked {
            self.warnings.push(format!(
                "{} is linked to a repository elsewhere, so git will not work there",
                self.path.display()
            ));
        }
        self.unignored();
        match tracked {
            Ok(tracked) => tracked.iter().flat_map(|path| way_to(path)).for_each(|path| {
                self.add(path);
            }),
            Err(warning) => self.warnings.push(warning),
        }
        if git == GitTree::Whole {
            self.whole(Path::new(".git"));
        }
        for own in record::PLACES_INSIDE {
            self.entries.remove(Path::new(own));
        }
        (self.entries, self.warnings)
    }

    fn unignored(&mut self) {
        // Its file is sent where there is no repository but a word of where it is.
        if GitTree::of(&self.path) == GitTree::Linked {
            self.add(Path::new(".git"));
        }
        for found in unignored(&self.path, std::mem::take(&mut self.left_out)) {
            match found {
                Ok(found) if found.is_repository => self.whole(&found.path),
                Ok(found) => {
                    self.add(&found.path);
                }
                Err(error) => self.warnings.push(format!("left out: {error}")),
            }
        }
    }

    /// A repository is sent as it is, whatever the ignore files say.
    fn whole(&mut self, relative: &Path) {
        if !self.add(relative) {
            return;
        }
        match names_in(&self.path.join(relative)) {
            Ok(names) => names.iter().for_each(|name| self.whole(&relative.join(&**name))),
            Err(error) => self.leave_out(relative, &error),
        }
    }

    /// Adds one entry, without what is in it. Tells whether it is a folder.
    fn add(&mut self, relative: &Path) -> bool {
        let path = self.path.join(relative);
        match path.symlink_metadata().and_then(|status| Entry::of(&path, &status)) {
            Ok(Some(entry)) => {
                let is_folder = entry.kind == Kind::Folder;
                self.entries.insert(relative.to_owned(), entry);
                is_folder
            }
            // A pipe, a socket or a device has nothing to send.
            Ok(None) => false,
            Err(error) => {
                self.leave_out(relative, &error);
                false
            }
        }
    }

    /// What goes while somebody works in the folder is as if it had never been there.
    fn leave_out(&mut self, relative: &Path, error: &io::Error) {
        let gone = [Errno::NOENT, Errno::NOTDIR].map(|errno| Some(errno.raw_os_error()));
        if !gone.contains(&error.raw_os_error()) {
            self.warnings.push(format!("left out: {}: {error}", relative.display()));
        }
    }
}

fn names_in(folder: &Path) -> io::Result<Vec<OsString>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}
