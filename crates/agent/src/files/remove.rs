//! Removing trees of any depth.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::place::Place;

/// Directories below this depth are first moved up to the top: a program in the sandbox can nest them deeper than any
/// stack or any number of descriptors.
const DEEPEST: usize = 64;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Removes a file, a link or a whole tree. Follows no link; one that is absent already is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let place = match Place::of(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    match unlinkat(place.folder(), place.name(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) if is_directory(&place) => {}
        Err(error) => return Err(error.into()),
    }
    let top = openat(place.folder(), place.name(), DIRECTORY, Mode::empty())?;
    // Each round leaves what it moved up to the next; the tree gets less by every directory of a round.
    let mut moved = 0;
    while empty(&top, &top, 0, &mut moved)? {}
    Ok(unlinkat(place.folder(), place.name(), AtFlags::REMOVEDIR)?)
}

fn is_directory(place: &Place) -> bool {
    place.entry().and_then(|entry| entry.metadata()).is_ok_and(|status| status.is_dir())
}

/// Removes what is in `folder`. Whether something was moved up to `top`.
fn empty(folder: &OwnedFd, top: &OwnedFd, depth: usize, moved: &mut u64) -> rustix::io::Result<bool> {
    let mut again = false;
    for (name, kind) in names(folder)? {
        if kind != FileType::Directory && unlink_file(folder, &name)? {
            continue;
        }
        if depth == DEEPEST {
            move_up(folder, &name, top, moved)?;
            again = true;
            continue;
        }
        let inner = match openat(folder, name.as_c_str(), DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        again |= empty(&inner, top, depth + 1, moved)?;
        drop(inner);
        gone(unlinkat(folder, name.as_c_str(), AtFlags::REMOVEDIR))?;
    }
    Ok(again)
}

/// Whether it is gone; false for a directory that did not say it was one.
fn unlink_file(folder: &OwnedFd, name: &CStr) -> rustix::io::Result<bool> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => Ok(false),
        other => gone(other).map(|()| true),
    }
}

/// Whoever else removed it did our work.
fn gone(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn move_up(folder: &OwnedFd, name: &CStr, top: &OwnedFd, moved: &mut u64) -> rustix::io::Result<()> {
    loop {
        *moved += 1;
        let place = format!(".removing-{moved}");
        match renameat(folder, name, top, place.as_str()) {
            // The place is taken by the tree's own: the next one.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            other => return gone(other),
        }
    }
}

fn names(folder: impl AsFd) -> rustix::io::Result<Vec<(CString, FileType)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            names.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn trees_deeper_than_any_path_go() {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().join("top");
        std::fs::create_dir(&top).unwrap();
        let mut folder = openat(CWD, &top, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..1500 {
            rustix::fs::mkdirat(&folder, "directory", Mode::RWXU).unwrap();
            openat(&folder, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
            folder = openat(&folder, "directory", DIRECTORY, Mode::empty()).unwrap();
        }
        remove(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn links_are_removed_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("kept"), "x").unwrap();
        let folder = root.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(root.path(), folder.join("link")).unwrap();
        remove(&folder).unwrap();
        assert!(root.path().join("kept").exists() && !folder.exists());
        std::os::unix::fs::symlink(root.path(), root.path().join("link")).unwrap();
        remove(&root.path().join("link")).unwrap();
        assert!(root.path().join("kept").exists());
        remove(&root.path().join("absent")).unwrap();
        remove(&root.path().join("kept")).unwrap();
        assert!(!root.path().join("kept").exists());
    }
}
