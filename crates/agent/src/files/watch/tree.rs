//! A directory, and those below it, under the kernel's eyes. All of it runs on a worker, with its user's rights.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::fs::{Mode, OFlags};

use crate::files::open;
use crate::files::place::way_to;

/// What one read takes from the kernel, in bytes: a few hundred events.
const READ: usize = 16 * 1024;

/// More changes than this are not told of at a time.
const MOST_CHANGES: usize = 16 * 1024;

/// What is asked of the kernel for every directory.
const WATCHED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR);
/// And for the one at the top, of which no watched parent tells.
const WATCHED_TOP: WatchFlags = WATCHED.union(WatchFlags::DELETE_SELF).union(WatchFlags::MOVE_SELF);

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::files) enum ChangeKind {
    Created,
    Written,
    Removed,
    MovedAway,
    Attributes,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::files) struct Change {
    /// Relative to the watched directory; `.` is that itself.
    pub(in crate::files) path: PathBuf,
    pub(in crate::files) kind: ChangeKind,
}

/// What one round of reading found.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) changes: Vec<Change>,
    /// Whether the kernel dropped events.
    pub(super) overflow: bool,
}

/// The watched directories.
#[derive(Debug)]
pub(super) struct Tree {
    kernel: OwnedFd,
    /// Not kept open: the kernel tells of a directory's end only when nobody has it open.
    top: PathBuf,
    /// The device and the inode of the top.
    identity: (u64, u64),
    recursive: bool,
    /// By the kernel's number; paths are relative to the top.
    folders: HashMap<i32, PathBuf>,
    /// Found by looking into a new directory. Until the kernel's queue is empty, it may tell of them once more.
    told: HashSet<PathBuf>,
}

/// One event as the kernel gives it.
struct Raw {
    folder: i32,
    flags: ReadFlags,
    name: Option<CString>,
}

impl Tree {
    /// Watches from now on.
    pub(super) fn open(top: &Path, recursive: bool) -> io::Result<Self> {
        let opened = open::open(top, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let kernel = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let (folders, told) = (HashMap::new(), HashSet::new());
        let number = inotify::add_watch(&kernel, way_to(&opened), WATCHED_TOP)?;
        let (top, identity) = (top.to_owned(), identity(&opened)?);
        let mut tree = Self { kernel, top, identity, recursive, folders, told };
        tree.folders.insert(number, PathBuf::new());
        if recursive {
            tree.add_below(Path::new(""))?;
        }
        Ok(tree)
    }

    /// Reads what the kernel has; `WouldBlock` when that is nothing.
    pub(super) fn read(&mut self) -> io::Result<Round> {
        let mut round = Round::default();
        let events = read_events(&self.kernel).inspect_err(|_| self.told.clear())?;
        for raw in events {
            self.take(raw, &mut round)?;
        }
        Ok(round)
    }

    fn take(&mut self, raw: Raw, round: &mut Round) -> io::Result<()> {
        if raw.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            round.overflow = true;
            // Directories may have come that nobody told of.
            return if self.recursive { self.add_below(Path::new("")).map(drop) } else { Ok(()) };
        }
        if raw.flags.contains(ReadFlags::IGNORED) {
            self.folders.remove(&raw.folder);
            return Ok(());
        }
        let Some(folder) = self.folders.get(&raw.folder) else { return Ok(()) };
        let path = match raw.name {
            Some(name) => folder.join(OsString::from_vec(name.into_bytes())),
            None if folder.as_os_str().is_empty() => PathBuf::from("."),
            // The parent's own event tells of it.
            None => return Ok(()),
        };
        self.tell(path, raw.flags, round)
    }

    fn tell(&mut self, path: PathBuf, flags: ReadFlags, round: &mut Round) -> io::Result<()> {
        let is_folder = flags.contains(ReadFlags::ISDIR) && self.recursive;
        if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            if !self.told.remove(&path) {
                round.changes.push(Change { path: path.clone(), kind: ChangeKind::Created });
            }
            if is_folder {
                self.add(&path)?;
                self.tell_below(&path, round)?;
            }
            return Ok(());
        }
        let kind = if flags.intersects(ReadFlags::DELETE | ReadFlags::DELETE_SELF) {
            ChangeKind::Removed
        } else if flags.intersects(ReadFlags::MOVED_FROM | ReadFlags::MOVE_SELF) {
            ChangeKind::MovedAway
        } else if flags.contains(ReadFlags::MODIFY) {
            ChangeKind::Written
        } else if flags.contains(ReadFlags::ATTRIB) {
            ChangeKind::Attributes
        } else {
            return Ok(());
        };
        if matches!(kind, ChangeKind::Removed | ChangeKind::MovedAway) {
            self.told.remove(&path);
        }
        if kind == ChangeKind::MovedAway && is_folder {
            self.leave(&path);
        }
        round.changes.push(Change { path, kind });
        Ok(())
    }

    /// Opens a directory below the top, as long as the top stands where it stood.
    fn open_below(&self, folder: &Path) -> io::Result<File> {
        let top = open::folder(&self.top)?;
        if identity(&top)? != self.identity {
            return Err(io::ErrorKind::NotFound.into());
        }
        open::folder_below(&top, folder)
    }

    /// Watches one directory below the top. One that went away again, is no directory any more or may not be read is
    /// left out.
    fn add(&mut self, folder: &Path) -> io::Result<bool> {
        let added =
            self.open_below(folder).and_then(|opened| Ok(inotify::add_watch(&self.kernel, way_to(&opened), WATCHED)?));
        match added {
            Ok(number) => {
                self.folders.insert(number, folder.to_owned());
                Ok(true)
            }
            Err(error) if is_left_out(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Watches all directories below a new one, and tells what is in them: it came before the watch.
    fn tell_below(&mut self, folder: &Path, round: &mut Round) -> io::Result<()> {
        for path in self.add_below(folder)? {
            if round.changes.len() >= MOST_CHANGES {
                // Told as lost, so that a large tree that is moved in needs no memory of its size.
                round.overflow = true;
                return Ok(());
            }
            self.told.insert(path.clone());
            round.changes.push(Change { path, kind: ChangeKind::Created });
        }
        Ok(())
    }

    /// Watches all directories below one that is watched already; gives everything that is there.
    fn add_below(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut folders = VecDeque::from([folder.to_owned()]);
        while let Some(folder) = folders.pop_front() {
            let Ok(opened) = self.open_below(&folder) else { continue };
            let Ok(entries) = fs::read_dir(way_to(&opened)) else { continue };
            for entry in entries {
                let Ok(entry) = entry else { break };
                let path = folder.join(entry.file_name());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) && self.add(&path)? {
                    folders.push_back(path.clone());
                }
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Forgets a directory that was moved away, with all below it.
    fn leave(&mut self, folder: &Path) {
        let left: Vec<i32> =
            self.folders.iter().filter(|(_, path)| path.starts_with(folder)).map(|(number, _)| *number).collect();
        for number in left {
            self.folders.remove(&number);
            if let Err(error) = inotify::remove_watch(&self.kernel, number) {
                tracing::debug!(%error, "a directory that was moved away was not watched any more");
            }
        }
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kernel.as_fd()
    }
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    let status = file.metadata()?;
    Ok((status.dev(), status.ino()))
}

fn is_left_out(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::PermissionDenied];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(libc::ELOOP)
}

fn read_events(kernel: &OwnedFd) -> io::Result<Vec<Raw>> {
    let mut buffer = [MaybeUninit::uninit(); READ];
    let mut reader = Reader::new(kernel, &mut buffer);
    let mut events = Vec::new();
    loop {
        let event = reader.next()?;
        events.push(Raw { folder: event.wd(), flags: event.events(), name: event.file_name().map(Into::into) });
        if reader.is_buffer_empty() {
            return Ok(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(tree: &mut Tree) -> Vec<(String, ChangeKind)> {
        let mut all = Vec::new();
        loop {
            match tree.read() {
                Ok(round) => {
                    assert!(!round.overflow);
                    all.extend(
                        round.changes.into_iter().map(|change| (change.path.display().to_string(), change.kind)),
                    );
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return all,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn made(path: &str) -> (String, ChangeKind) {
        (path.to_owned(), ChangeKind::Created)
    }

    #[test]
    fn what_happens_is_told_in_order() {
        let root = tempfile::tempdir().unwrap();
        let mut tree = Tree::open(root.path(), false).unwrap();
        assert_eq!(changes(&mut tree), []);
        fs::write(root.path().join("a"), "x").unwrap();
        fs::rename(root.path().join("a"), root.path().join("b")).unwrap();
        fs::set_permissions(root.path().join("b"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::remove_file(root.path().join("b")).unwrap();
        let told = changes(&mut tree);
        let kinds = [
            ("a", ChangeKind::Created),
            ("a", ChangeKind::Written),
            ("a", ChangeKind::MovedAway),
            ("b", ChangeKind::Created),
            ("b", ChangeKind::Attributes),
            ("b", ChangeKind::Removed),
        ];
        assert_eq!(told, kinds.map(|(path, kind)| (path.to_owned(), kind)));
        fs::create_dir(root.path().join("folder")).unwrap();
        fs::write(root.path().join("folder/unseen"), "").unwrap();
        assert_eq!(changes(&mut tree), [made("folder")]);
    }

    #[test]
    fn new_directories_are_watched_and_nothing_in_them_is_missed_or_told_twice() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("old/deep")).unwrap();
        let mut tree = Tree::open(root.path(), true).unwrap();
        fs::write(root.path().join("old/deep/file"), "").unwrap();
        assert_eq!(changes(&mut tree), [made("old/deep/file")]);
        fs::create_dir_all(root.path().join("new/deep")).unwrap();
        fs::write(root.path().join("new/deep/early"), "").unwrap();
        let mut told = changes(&mut tree);
        fs::write(root.path().join("new/deep/late"), "").unwrap();
        told.extend(changes(&mut tree));
        assert_eq!(told, ["new", "new/deep", "new/deep/early", "new/deep/late"].map(made));
        fs::remove_file(root.path().join("new/deep/late")).unwrap();
        fs::write(root.path().join("new/deep/late"), "").unwrap();
        let again = [("new/deep/late".to_owned(), ChangeKind::Removed), made("new/deep/late")];
        assert_eq!(changes(&mut tree), again);
    }

    #[test]
    fn a_moved_directory_is_told_by_its_new_name() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("one/in")).unwrap();
        let mut tree = Tree::open(root.path(), true).unwrap();
        fs::rename(root.path().join("one"), root.path().join("two")).unwrap();
        assert_eq!(changes(&mut tree), [("one".to_owned(), ChangeKind::MovedAway), made("two"), made("two/in")]);
        fs::write(root.path().join("two/in/file"), "").unwrap();
        assert_eq!(changes(&mut tree), [made("two/in/file")]);
        fs::rename(root.path().join("two"), outside.path().join("two")).unwrap();
        assert_eq!(changes(&mut tree), [("two".to_owned(), ChangeKind::MovedAway)]);
        fs::write(outside.path().join("two/in/unseen"), "").unwrap();
        assert_eq!(changes(&mut tree), []);
        fs::remove_dir(root.path()).unwrap();
        assert!(changes(&mut tree).contains(&(".".to_owned(), ChangeKind::Removed)));
    }

    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
        let mut tree = Tree::open(root.path(), true).unwrap();
        fs::write(outside.path().join("unseen"), "").unwrap();
        assert_eq!(changes(&mut tree), []);
        assert!(Tree::open(Path::new("/proc/self"), true).is_err());
    }
}
