//! A folder that is open, and what is changed in it by paths through no link.

use std::collections::hash_map::DefaultHasher;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Read};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::cut;

/// To do something in it. Never leads through a link.
const ENTER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// To change the folder itself.
const CHANGE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// When something last changed: seconds since 1970, and nanoseconds behind them.
pub(super) type Time = (i64, u32);

/// An open folder.
pub(super) struct Root(OwnedFd);

impl Root {
    /// The folder at that path, made if there is none. The last name of the path is no link.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        // A slash behind its name would follow it.
        let path = path.as_os_str().as_bytes();
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1).min(path.len());
        let path = Path::new(OsStr::from_bytes(&path[..end]));
        DirBuilder::new().mode(0o700).recursive(true).create(path)?;
        enter(CWD, path.as_os_str()).map(Self)
    }

    /// The folder that a path leads to.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, ENTER.difference(OFlags::NOFOLLOW), Mode::empty())?))
    }

    /// Whether a file could be there.
    pub(super) fn may_hold(&self, path: &Path) -> bool {
        let probe = |(folder, name): (OwnedFd, &OsStr)| {
            let part = part_of(name);
            unlink_if_there(&folder, &part)?;
            rustix::fs::openat(&folder, &part, NEW_FILE, Mode::RUSR)?;
            unlink_if_there(&folder, &part)
        };
        self.place(path).and_then(probe).is_ok()
    }

    /// Lets its owner change what is in a folder.
    pub(super) fn open_up(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        let folder = change(&folder, name)?;
        let mode = Mode::from_raw_mode(rustix::fs::fstat(&folder)?.st_mode & 0o7777);
        Ok(rustix::fs::fchmod(&folder, mode | Mode::RWXU)?)
    }

    /// Removes anything but a folder.
    pub(super) fn unlink(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    pub(super) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        Ok(rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from, old), (to, new)) = (self.place(from)?, self.place(to)?);
        Ok(rustix::fs::renameat(from, old, to, new)?)
    }

    /// A folder with that mode and time, new or not.
    pub(super) fn put_folder(&self, path: &Path, mode: Mode, modified: Time) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        let make = || rustix::fs::mkdirat(&parent, name, Mode::RWXU);
        match make() {
            Ok(()) => {}
            Err(Errno::EXIST) if enter(&parent, name).is_ok() => {}
            // Whatever it is, it gives way, and what it may lead to stays as it is.
            Err(Errno::EXIST) => {
                unlink_if_there(&parent, name)?;
                make()?;
            }
            Err(error) => return Err(error.into()),
        }
        let folder = change(&parent, name)?;
        rustix::fs::fchmod(&folder, mode)?;
        Ok(rustix::fs::futimens(&folder, &times(modified))?)
    }

    /// A file instead of whatever stands there: it is whole before it bears its name.
    pub(super) fn put_file(
        &self,
        path: &Path,
        mode: Mode,
        modified: Option<Time>,
        (content, size): (&mut impl Read, u64),
    ) -> io::Result<()> {
        self.put(path, |folder, part| {
            let mut file = File::from(rustix::fs::openat(folder, part, NEW_FILE, Mode::RUSR | Mode::WUSR)?);
            if io::copy(content, &mut file)? != size {
                return Err(cut());
            }
            rustix::fs::fchmod(&file, mode)?;
            modified.map_or(Ok(()), |modified| Ok(rustix::fs::futimens(&file, &times(modified))?))
        })
    }

    /// A link, the same way.
    pub(super) fn put_link(&self, path: &Path, target: &Path, modified: Time) -> io::Result<()> {
        self.put(path, |folder, part| {
            rustix::fs::symlinkat(target, folder, part)?;
            Ok(rustix::fs::utimensat(folder, part, &times(modified), AtFlags::SYMLINK_NOFOLLOW)?)
        })
    }

    /// Makes it under a name of its own, and gives it its name then.
    fn put(&self, path: &Path, make: impl FnOnce(&OwnedFd, &OsStr) -> io::Result<()>) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        let part = part_of(name);
        // Left by one that broke off.
        unlink_if_there(&folder, &part)?;
        let rename = || rustix::fs::renameat(&folder, &part, &folder, name);
        let made = make(&folder, &part).and_then(|()| match rename() {
            Err(Errno::ISDIR) => {
                rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR)?;
                Ok(rename()?)
            }
            renamed => Ok(renamed?),
        });
        // What is told is why it was not made.
        made.inspect_err(|_| drop(unlink_if_there(&folder, &part)))
    }

    /// The open folder that an entry is in, and its name there. Every name on the way is looked up in the folder before it, so
    /// nobody can lead elsewhere by it, however fast links come and go.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        let mut names = path.components().map(|part| match part {
            Component::Normal(name) => Ok(name),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "is no path below the folder")),
        });
        let mut name = names.next().unwrap_or_else(|| Err(io::ErrorKind::InvalidInput.into()))?;
        let mut folder = self.0.try_clone()?;
        for next in names {
            folder = enter(&folder, name)?;
            name = next?;
        }
        Ok((folder, name))
    }
}

/// Opens a folder in an open one; a link is told.
fn enter(parent: impl std::os::fd::AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    rustix::fs::openat(&parent, name, ENTER, Mode::empty()).map_err(|error| match error {
        Errno::NOTDIR | Errno::LOOP => {
            let what = if rustix::fs::readlinkat(parent, name, Vec::new()).is_ok() { "a link" } else { "no folder" };
            io::Error::new(io::ErrorKind::NotADirectory, format!("`{}` is {what}", name.display()))
        }
        error => error.into(),
    })
}

/// Opens a folder to change it. One that may not be read is made so first.
fn change(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    match rustix::fs::openat(parent, name, CHANGE, Mode::empty()) {
        Err(Errno::ACCESS) => {
            let folder = enter(parent, name)?;
            // What was entered cannot be changed itself; its entry in /proc leads to this very folder and no other.
            rustix::fs::chmod(format!("/proc/self/fd/{}", folder.as_raw_fd()), Mode::RWXU)?;
            Ok(rustix::fs::openat(&folder, ".", CHANGE, Mode::empty())?)
        }
        opened => Ok(opened?),
    }
}

fn unlink_if_there(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What a file is called until it is whole: always the same, so that one that broke off is found again.
fn part_of(name: &OsStr) -> OsString {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!(".sandboxer-sync-{:016x}", hasher.finish()).into()
}

fn times((seconds, nanoseconds): Time) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    }
}
