//! Removing a folder and nothing else: through no link, and into no other file system.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

/// Folders nested deeper are first moved up to the top: programs can nest them deeper than any number of descriptors.
const DEEPEST: usize = 64;
const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Removes it with everything in it. Whether it was there. A link in its place is removed itself.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let name = CString::new(name.as_bytes())?;
    let parent = match rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
        parent => parent?,
    };
    match rustix::fs::unlinkat(&parent, name.as_c_str(), AtFlags::empty()) {
        Ok(()) => return Ok(true),
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let device = rustix::fs::statat(&parent, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?.st_dev;
    let top = open(parent.as_fd(), &name, device)?;
    let mut remover = Remover { top: &top, device, moved: 0 };
    while remover.empty(&top, 0)? {}
    rustix::fs::unlinkat(&parent, name.as_c_str(), AtFlags::REMOVEDIR)?;
    Ok(true)
}

struct Remover<'a> {
    top: &'a OwnedFd,
    device: u64,
    moved: u64,
}

impl Remover<'_> {
    /// Whether it found anything: what was moved up may not have been in the list that was being gone through.
    fn empty(&mut self, folder: &OwnedFd, depth: usize) -> io::Result<bool> {
        let mut found = false;
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            found = true;
            self.remove(folder.as_fd(), entry.file_name(), entry.file_type(), depth)?;
        }
        Ok(found)
    }

    fn remove(&mut self, parent: BorrowedFd<'_>, name: &CStr, kind: FileType, depth: usize) -> io::Result<()> {
        if !kind.is_dir() {
            match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) if kind == FileType::Unknown => {}
                other => return gone_is_fine(other, name),
            }
        }
        let folder = match open(parent, name, self.device) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folder => folder?,
        };
        if depth >= DEEPEST {
            return self.move_up(parent, name);
        }
        while self.empty(&folder, depth + 1)? {}
        gone_is_fine(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR), name)
    }

    fn move_up(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        loop {
            self.moved += 1;
            let new = format!(".deep-{}", self.moved);
            match rustix::fs::renameat_with(parent, name, self.top, new.as_str(), RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                other => return gone_is_fine(other, name),
            }
        }
    }
}

/// Opens a folder of the same file system so that everything in it can be removed.
fn open(parent: BorrowedFd<'_>, name: &CStr, device: u64) -> io::Result<OwnedFd> {
    let folder = match open_here(parent, name, FOLDER) {
        Err(Errno::ACCESS) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let handle = open_here(parent, name, flags)?;
            // A handle cannot be changed itself; its entry in /proc leads to this very folder and no other.
            rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), Mode::RWXU)?;
            open_here(parent, name, FOLDER)?
        }
        Err(Errno::XDEV) => return Err(another_file_system(name)),
        folder => folder?,
    };
    let status = rustix::fs::fstat(&folder)?;
    if status.st_dev != device {
        return Err(another_file_system(name));
    }
    if status.st_mode & 0o300 != 0o300 && !rustix::process::geteuid().is_root() {
        rustix::fs::fchmod(&folder, Mode::RWXU)?;
    }
    Ok(folder)
}

/// Tells a mount even where the same file system is mounted again; older kernels cannot.
fn open_here(parent: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(parent, name, flags, Mode::empty()),
        folder => folder,
    }
}

fn another_file_system(name: &CStr) -> io::Error {
    io::Error::other(format!("another file system is mounted at `{}`", name.to_string_lossy()))
}

fn gone_is_fine(outcome: rustix::io::Result<()>, name: &CStr) -> io::Result<()> {
    match outcome {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => {
            let error = io::Error::from(error);
            Err(io::Error::new(error.kind(), format!("cannot remove `{}`: {error}", name.to_string_lossy())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn whatever_it_holds_goes_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        std::fs::create_dir_all(tree.join("locked/inner")).unwrap();
        std::fs::write(root.path().join("kept"), "x").unwrap();
        std::fs::write(tree.join("locked/inner/-\n"), "x").unwrap();
        symlink(root.path(), tree.join("link")).unwrap();
        std::fs::set_permissions(tree.join("locked"), std::fs::Permissions::from_mode(0o000)).unwrap();
        let mut deep = tree.clone();
        for _ in 0..200 {
            deep.push("d");
        }
        std::fs::create_dir_all(deep).unwrap();
        assert!(remove(&tree).unwrap());
        assert!(!remove(&tree).unwrap());
        assert!(!remove(&root.path().join("none/tree")).unwrap());
        symlink("kept", &tree).unwrap();
        assert!(remove(&tree).unwrap());
        let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }

    #[test]
    fn a_mount_is_left_alone() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        // A mount namespace of this thread alone.
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("kept"), "x").unwrap();
        std::fs::create_dir_all(root.path().join("tree/mounted")).unwrap();
        let (tree, bound) = (root.path().join("tree"), outside.path().to_owned());
        let said = std::thread::spawn(move || {
            use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
            #[allow(unsafe_code, reason = "only this thread's namespaces change")]
            // SAFETY: no descriptor of this thread is shared by `NEWNS`.
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.unwrap();
            mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).unwrap();
            mount_bind(&bound, tree.join("mounted")).unwrap();
            remove(&tree).unwrap_err().to_string()
        });
        assert!(said.join().unwrap().contains("file system"));
        assert!(outside.path().join("kept").exists());
    }
}
