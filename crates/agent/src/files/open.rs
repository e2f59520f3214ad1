//! Opening files.
//!
//! The agent opens with the rights of its user, but as the agent: `/proc/self` is the agent's, and the kernel lets a
//! process look at itself whatever its ids. A path, or a link that a program in the sandbox planted, must not lead
//! there. So links that are no real ones (`/proc/self/fd/3`) are refused, and so are the files of any process.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstatfs, openat, openat2};
use rustix::io::Errno;

/// Opens what `path` leads to. Never waits for the other end of a pipe.
pub(super) fn open(path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    // What is not opened for its content takes no flag about content.
    let about_content = if flags.contains(OFlags::PATH) { OFlags::empty() } else { OFlags::NONBLOCK | OFlags::NOCTTY };
    let flags = flags | OFlags::CLOEXEC | about_content;
    open_at(CWD, path, flags, mode, ResolveFlags::NO_MAGICLINKS)
}

/// A folder, to do something in it.
pub(super) fn folder(path: &Path) -> io::Result<File> {
    open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
}

/// A folder below an open one, by a path without links.
pub(super) fn folder_below(top: &File, path: &Path) -> io::Result<File> {
    if path.as_os_str().is_empty() {
        return top.try_clone();
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open_at(top, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH)
}

fn open_at(top: impl AsFd, path: &Path, flags: OFlags, mode: Mode, resolve: ResolveFlags) -> io::Result<File> {
    let file = match openat2(&top, path, flags, mode, resolve) {
        // Kernels before 5.6 and some container run-times lack the call. Who acts with their own rights alone needs no
        // care about where a path leads.
        Err(Errno::NOSYS) if !acts_for_another()? => openat(top, path, flags, mode),
        other => other,
    }?;
    refuse_processes(&file)?;
    Ok(file.into())
}

/// Whether this thread has somebody else's rights over files.
fn acts_for_another() -> io::Result<bool> {
    let status = std::fs::read_to_string("/proc/thread-self/status")?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    let ids: Vec<&str> = ids.split_whitespace().collect();
    Ok(!matches!(ids[..], [_, effective, _, files] if effective == files))
}

/// A regular file for reading.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    regular(open(path, OFlags::RDONLY, Mode::empty())?)
}

/// Only regular files have a content of their own: a directory lists, a pipe or a device waits.
pub(super) fn regular(file: File) -> io::Result<File> {
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        Ok(file)
    } else if kind.is_dir() {
        Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"))
    }
}

fn refuse_processes(file: &OwnedFd) -> io::Result<()> {
    if fstatfs(file)?.f_type != PROC_SUPER_MAGIC {
        return Ok(());
    }
    let path = rustix::fs::readlink(format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new())?;
    if names_a_process(path.as_bytes()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "files of processes are not given out"));
    }
    Ok(())
}

fn names_a_process(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_itself_is_not_given_out() {
        let root = tempfile::tempdir().unwrap();
        let held = File::create(root.path().join("held")).unwrap();
        let own = std::process::id();
        for path in [
            "/proc/self/environ".to_owned(),
            "/proc/self/maps".to_owned(),
            format!("/proc/{own}/status"),
            format!("/proc/{own}/task/{own}/environ"),
            "/proc/thread-self/environ".to_owned(),
            format!("/proc/self/fd/{}", held.as_raw_fd()),
            "/proc/self/exe".to_owned(),
            "/proc/self/root/etc/passwd".to_owned(),
        ] {
            assert!(open_file(Path::new(&path)).is_err(), "{path}");
            let link = root.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            assert!(open_file(&link).is_err(), "a link to {path}");
            std::fs::remove_file(link).unwrap();
        }
        open_file(Path::new("/proc/meminfo")).unwrap();
        open(Path::new("/proc/sys"), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }

    #[test]
    fn who_acts_for_another_is_known() {
        assert!(!acts_for_another().unwrap());
        if rustix::process::geteuid().is_root() {
            let nobody = crate::identity::Identity { uid: 65_534, gid: 65_534, groups: [65_534].into() };
            assert!(nobody.act(acts_for_another).unwrap().unwrap());
        }
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(open_file(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(open_file(root.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(open_file(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
