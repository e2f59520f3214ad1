//! Mounts, as the root file system needs them. All targets are relative to the new root, so that no path of the host's is
//! shown inside.

use super::failure::{Doing, Fault};
use super::sys;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Nothing can be written, and no device and no set-user-id program works.
pub(crate) const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | WITHOUT_PRIVILEGE;
/// No device and no set-user-id program works.
pub(crate) const WITHOUT_PRIVILEGE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Keeps what is mounted here from the host, and what the host mounts from here.
pub(crate) fn make_private() -> Result<(), Fault> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", flags).doing("make mounts private")
}

/// Shows `source` and everything mounted below it at `target` too.
pub(crate) fn bind(source: &Path, target: &Path, attributes: u64) -> Result<(), Fault> {
    let what = || format!("bind {} in the sandbox", source.display());
    rustix::mount::mount_bind_recursive(source, target).doing(what())?;
    restrict(target, attributes)
}

/// Restricts what is mounted at `target` and below.
pub(crate) fn restrict(target: &Path, attributes: u64) -> Result<(), Fault> {
    if attributes == 0 {
        return Ok(());
    }
    let path = CString::new(target.as_os_str().as_bytes()).doing("name a mount")?;
    sys::add_mount_attributes(&path, attributes).doing(format!("restrict /{} in the sandbox", target.display()))
}

/// A copy of the mounts at a path, not attached anywhere. Needs rights over the mounts that are copied.
pub(crate) fn copy_of(path: &Path) -> rustix::io::Result<rustix::fd::OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(rustix::fs::CWD, path, flags)
}

/// Attaches what [`copy_of`] made.
pub(crate) fn attach(copy: impl AsFd, target: &Path, attributes: u64) -> Result<(), Fault> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(copy, c"", rustix::fs::CWD, target, flags)
        .doing(format!("show /{} in the sandbox", target.display()))?;
    restrict(target, attributes)
}

/// Mounts a new file system of the kernel's own.
pub(crate) fn fresh(kind: &CStr, target: &Path, data: Option<&CStr>) -> Result<(), Fault> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(kind, target, kind, flags, data)
        .doing(format!("mount a new {} in the sandbox", kind.to_string_lossy()))
}

/// A new devpts: like [`fresh`], but its terminals are devices.
pub(crate) fn fresh_terminals(target: &Path, data: &CStr) -> Result<(), Fault> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount(c"devpts", target, c"devpts", flags, Some(data)).doing("mount new terminals in the sandbox")
}

/// Puts an empty file system in memory where the current directory is, and enters it. Returns the directory it covers.
pub(crate) fn cover_current_directory() -> Result<OwnedFd, Fault> {
    let what = "make the sandbox's root";
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let covered = rustix::fs::open(c".", flags, Mode::empty()).doing(what)?;
    let context = rustix::mount::fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).doing(what)?;
    rustix::mount::fsconfig_set_string(&context, c"mode", c"0755").doing(what)?;
    rustix::mount::fsconfig_create(&context).doing(what)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let root = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).doing(what)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(&root, c"", rustix::fs::CWD, c".", flags).doing(what)?;
    // By its descriptor: no path leads there for who cannot pass the folders above.
    rustix::process::fchdir(&root).doing(what)?;
    Ok(covered)
}

/// Shows a folder below an opened one at `target`.
pub(crate) fn bind_below(folder: &OwnedFd, name: &str, target: &Path) -> Result<(), Fault> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let copy = rustix::mount::open_tree(folder, name, flags).doing(format!("bind {name} in the sandbox"))?;
    attach(copy, target, WITHOUT_PRIVILEGE)
}

/// Makes the current directory the root and lets go of the old one.
pub(crate) fn enter_root() -> Result<(), Fault> {
    rustix::process::pivot_root(c".", c".").doing("change the root")?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH).doing("let go of the old root")?;
    rustix::process::chdir(c"/").doing("enter the new root")
}

/// Makes a folder unless it is there, with the ones above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), Fault> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => {
            make_folder(path.parent().unwrap_or(Path::new(".")))?;
            make_folder(path)
        }
        Err(error) => Err(error).doing(format!("make /{} in the sandbox", path.display())),
    }
}
