//! Where an entry stands: an open folder, and a name in it.
//!
//! A path is walked once, by [`open`](super::open), which lets nothing lead through the agent's own `/proc/self`. What is
//! done then is done in the folder that was found, whatever the path may lead to by now.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, linkat, mkdirat, openat, readlinkat, renameat, symlinkat, unlinkat};

use super::open;

/// What a new directory is made with, less the agent's umask.
const NEW_FOLDER: u32 = 0o777;

/// An entry's place. The entry itself need not exist.
pub(crate) struct Place {
    folder: File,
    name: OsString,
}

impl Place {
    /// The folder must exist, and may be searched.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => (parent, name),
            // The root, and what ends in `..`: a folder that is named by itself.
            _ => (path, ".".as_ref()),
        };
        Ok(Self { folder: open::folder(folder)?, name: name.to_owned() })
    }

    pub(super) fn folder(&self) -> &File {
        &self.folder
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The entry itself, were it a link; to be looked at only.
    pub(super) fn entry(&self) -> io::Result<File> {
        entry_in(&self.folder, &self.name)
    }

    pub(super) fn make_folder(&self) -> io::Result<()> {
        Ok(mkdirat(&self.folder, &self.name, Mode::from_raw_mode(NEW_FOLDER))?)
    }

    /// A file that was not there, for writing.
    pub(super) fn make_file(&self, mode: Mode) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(openat(&self.folder, &self.name, flags, mode)?.into())
    }

    pub(super) fn make_symlink(&self, target: &Path) -> io::Result<()> {
        Ok(symlinkat(target, &self.folder, &self.name)?)
    }

    /// Gives the file one more name.
    pub(super) fn link_to(&self, other: &Self) -> io::Result<()> {
        Ok(linkat(&self.folder, &self.name, &other.folder, &other.name, AtFlags::empty())?)
    }

    pub(super) fn rename_to(&self, other: &Self) -> io::Result<()> {
        Ok(renameat(&self.folder, &self.name, &other.folder, &other.name)?)
    }

    /// Removes a file or a link.
    pub(super) fn unlink(&self) -> io::Result<()> {
        Ok(unlinkat(&self.folder, &self.name, AtFlags::empty())?)
    }
}

/// An entry of an open folder, to be looked at only.
pub(super) fn entry_in(folder: &File, name: &OsStr) -> io::Result<File> {
    Ok(openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// What a link says, as it is written.
pub(super) fn read_link(link: &File) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Ok(OsString::from_vec(readlinkat(link, "", Vec::new())?.into_bytes()).into())
}

/// A path that leads to just what is open, whatever its own path leads to; where there is a `/proc`.
pub(super) fn way_to(file: &File) -> PathBuf {
    Path::new("/proc/self/fd").join(file.as_raw_fd().to_string())
}

/// What a path leads to, links followed, to be looked at only.
pub(super) fn target(path: &Path) -> io::Result<File> {
    open::open(path, OFlags::PATH, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stays_where_it_was_found() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        let place = Place::of(&folder.join("name")).unwrap();
        std::fs::rename(&folder, root.path().join("moved")).unwrap();
        place.make_file(Mode::RUSR).unwrap();
        assert!(root.path().join("moved/name").exists());
        assert!(Place::of(Path::new("/")).unwrap().entry().unwrap().metadata().unwrap().is_dir());
        assert!(Place::of(&folder.join("name")).is_err());
    }

    #[test]
    fn no_place_lies_behind_the_agents_own_descriptors() {
        let root = tempfile::tempdir().unwrap();
        let held = File::open(root.path()).unwrap();
        std::fs::write(root.path().join("secret"), "x").unwrap();
        let way = way_to(&held);
        assert!(way.join("secret").exists());
        assert!(Place::of(&way.join("secret")).is_err());
        assert!(target(&way.join("secret")).is_err());
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&way, &link).unwrap();
        assert!(Place::of(&link.join("secret")).is_err());
        assert!(Place::of(Path::new("/proc/self/fd")).is_err());
        assert!(target(Path::new("/proc/self/exe")).is_err());
    }
}
