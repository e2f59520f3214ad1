//! Removes a folder with everything in it, whatever it holds: names that are no text, folders nobody may read, nesting
//! deeper than a path may be long. Follows no link.
//!
//! Works through descriptors only. Folders nested too deep for one descriptor each are moved up to the top, and removed
//! there.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;

/// Descriptors open at once.
const DEEPEST: usize = 48;
const OPEN: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Removes `name` from `parent`. What is called `last` in it goes after everything else. Nothing there is fine.
pub(crate) fn remove(parent: impl AsFd, name: &str, last: Option<&str>) -> io::Result<()> {
    let parent = parent.as_fd();
    let Some(top) = open(parent, &CString::new(name)?)? else { return Ok(()) };
    empty(&top, last)?;
    if let Some(last) = last {
        absent_is_fine(rustix::fs::unlinkat(&top, last, AtFlags::empty()))?;
    }
    absent_is_fine(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR))
}

/// Removes everything in a folder but what is called `keep`.
pub(crate) fn empty(top: &OwnedFd, keep: Option<&str>) -> io::Result<()> {
    let mut remover = Remover { top, moved: 0 };
    // What was moved up may appear in a listing that began before it, or not: the last listing finds nothing.
    while remover.empty(top, 0, keep)? {}
    Ok(())
}

struct Remover<'a> {
    top: &'a OwnedFd,
    moved: u64,
}

impl Remover<'_> {
    /// Empties a folder. Tells whether it found anything.
    fn empty(&mut self, folder: &OwnedFd, depth: usize, keep: Option<&str>) -> io::Result<bool> {
        let mut found = false;
        for entry in list(folder)? {
            if keep.is_none_or(|keep| entry.0.to_bytes() != keep.as_bytes()) {
                found = true;
                self.remove(folder.as_fd(), &entry.0, entry.1, depth)?;
            }
        }
        Ok(found)
    }

    fn remove(&mut self, parent: BorrowedFd<'_>, name: &CStr, kind: FileType, depth: usize) -> io::Result<()> {
        if !kind.is_dir() {
            match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) if kind == FileType::Unknown => {}
                other => return absent_is_fine(other),
            }
        }
        let Some(folder) = open(parent, name)? else { return Ok(()) };
        if depth >= DEEPEST {
            return self.move_up(parent, name);
        }
        while self.empty(&folder, depth + 1, None)? {}
        absent_is_fine(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR))
    }

    fn move_up(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        loop {
            self.moved += 1;
            let new = format!(".deep-{}", self.moved);
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(parent, name, self.top, new.as_str(), flags) {
                Err(Errno::EXIST) => {}
                other => return absent_is_fine(other),
            }
        }
    }
}

/// Everything in a folder, read before anything in it is removed.
fn list(folder: &OwnedFd) -> io::Result<Vec<(CString, FileType)>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            entries.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(entries)
}

/// Opens a folder in a way that everything in it can be removed. `None` when it is not there.
fn open(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<OwnedFd>> {
    match rustix::fs::openat(parent, name, OPEN, Mode::empty()) {
        Ok(folder) => {
            make_writable(&folder)?;
            Ok(Some(folder))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::ACCESS) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let handle = rustix::fs::openat(parent, name, flags, Mode::empty())?;
            // A handle cannot be changed itself; its entry in /proc leads to this very folder and no other.
            rustix::fs::chmod(descriptor_path(&handle), Mode::RWXU)?;
            Ok(Some(rustix::fs::openat(parent, name, OPEN, Mode::empty())?))
        }
        Err(error) => Err(error.into()),
    }
}

fn make_writable(folder: &OwnedFd) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let mode = rustix::fs::fstat(folder)?.st_mode;
    if mode & 0o300 == 0o300 { Ok(()) } else { Ok(rustix::fs::fchmod(folder, Mode::RWXU)?) }
}

fn descriptor_path(descriptor: &OwnedFd) -> String {
    use rustix::fd::AsRawFd;
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

fn absent_is_fine(outcome: rustix::io::Result<()>) -> io::Result<()> {
    match outcome {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;

    fn folder() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        let opened = rustix::fs::open(folder.path(), OPEN, Mode::empty()).unwrap();
        (folder, opened)
    }

    #[test]
    fn whatever_it_holds_is_removed_and_nothing_else() {
        let (folder, opened) = folder();
        let path = folder.path();
        std::fs::create_dir_all(path.join("tree/locked/inner")).unwrap();
        std::fs::write(path.join("kept"), "x").unwrap();
        std::fs::write(path.join("tree/locked/inner/file"), "x").unwrap();
        std::fs::write(path.join("tree").join(std::ffi::OsStr::from_bytes(b"-\xff\n")), "x").unwrap();
        std::os::unix::fs::symlink(path.join("kept"), path.join("tree/link")).unwrap();
        std::os::unix::fs::symlink(path, path.join("tree/link-to-folder")).unwrap();
        std::fs::set_permissions(path.join("tree/locked"), std::fs::Permissions::from_mode(0o000)).unwrap();
        remove(&opened, "tree", Some("lock")).unwrap();
        remove(&opened, "tree", Some("lock")).unwrap();
        let left: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }

    #[test]
    fn nesting_deeper_than_a_path_may_be_long_is_no_obstacle() {
        let (_folder, opened) = folder();
        rustix::fs::mkdirat(&opened, "tree", Mode::RWXU).unwrap();
        let mut inner = rustix::fs::openat(&opened, "tree", OPEN, Mode::empty()).unwrap();
        let name = "n".repeat(100);
        for _ in 0..3000 {
            rustix::fs::mkdirat(&inner, name.as_str(), Mode::RWXU).unwrap();
            inner = rustix::fs::openat(&inner, name.as_str(), OPEN, Mode::empty()).unwrap();
        }
        drop(inner);
        remove(&opened, "tree", None).unwrap();
        assert!(list(&opened).unwrap().is_empty());
    }
}
