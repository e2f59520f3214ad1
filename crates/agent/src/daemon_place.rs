//! Where a daemon's socket is, and the files beside it: a lock, under which the socket is bound and removed, and a log.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::AgentError;

/// Folders that everybody may put folders into, for a daemon whose caller does not know what there is.
const SHARED: [&str; 3] = ["/tmp", "/dev/shm", "/var/tmp"];

/// A socket of that name in a folder of the user's own, wherever there is room for one.
pub(crate) fn own_socket(name: &str) -> Result<PathBuf, AgentError> {
    let user = rustix::process::geteuid().as_raw();
    let mut fault = None;
    for shared in SHARED {
        let socket = Path::new(shared).join(format!("sandboxer-{user}")).join(format!("{name}.sock"));
        match own_folder(&socket) {
            Ok(()) => return Ok(socket),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    let nowhere = || AgentError::Listen { address: name.to_owned(), source: io::ErrorKind::NotFound.into() };
    Err(fault.unwrap_or_else(nowhere))
}

/// What a daemon of that name that was killed may have left: of this user, or all that a user has left who will be no more.
pub(crate) fn left_by(name: &str, user: Option<u32>) -> Vec<PathBuf> {
    let own = rustix::process::geteuid().as_raw();
    let is_of = |folder: &Path, user: u32| {
        folder.symlink_metadata().is_ok_and(|status| status.is_dir() && status.uid() == user)
    };
    let folder = |shared: &str, user: u32| Path::new(shared).join(format!("sandboxer-{user}"));
    let files = SHARED.iter().map(|shared| folder(shared, own)).filter(|folder| is_of(folder, own));
    let files =
        files.flat_map(|folder| ["", ".lock", ".log"].map(|ending| folder.join(format!("{name}.sock{ending}"))));
    let folders = user.into_iter().filter(|user| *user != own);
    let folders = folders.flat_map(|user| SHARED.map(|shared| (folder(shared, user), user)));
    let folders = folders.filter(|(folder, user)| is_of(folder, *user)).map(|(folder, _)| folder);
    files.chain(folders).collect()
}

/// Makes the folder of a socket, where nobody else can put a socket of theirs.
pub(crate) fn own_folder(socket: &Path) -> Result<(), AgentError> {
    let folder = socket.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |source| AgentError::Listen { address: socket.display().to_string(), source };
    match DirBuilder::new().mode(0o700).recursive(true).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let status = std::fs::symlink_metadata(folder).map_err(failed)?;
    if !status.is_dir() || status.uid() != rustix::process::geteuid().as_raw() || status.mode() & 0o022 != 0 {
        return Err(AgentError::OthersFolder { folder: folder.to_owned() });
    }
    Ok(())
}

/// Waits until nobody else binds or removes the socket. The lock goes with the file.
pub(crate) fn lock(socket: &Path) -> io::Result<File> {
    loop {
        let path = beside(socket, "lock")?;
        let file = private(&path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        // A daemon that left has removed it: who came later locks another file.
        if is_at(&file, &path)? {
            return Ok(file);
        }
    }
}

/// What the daemon says when nobody listens.
pub(crate) fn log(socket: &Path) -> io::Result<File> {
    private(&beside(socket, "log")?)
}

/// Removes what a daemon that leaves has beside its socket, and with `its_own` the socket. Does nothing where somebody is
/// starting another one just now.
pub(crate) fn withdraw(socket: &Path, its_own: bool) -> io::Result<()> {
    let path = beside(socket, "lock")?;
    let lock = private(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if its_own {
        remove(socket)?;
    }
    if socket.symlink_metadata().is_ok() || !is_at(&lock, &path)? {
        return Ok(());
    }
    let log = beside(socket, "log")?;
    if log.metadata().is_ok_and(|status| status.len() == 0) {
        remove(&log)?;
    }
    remove(&path)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn beside(socket: &Path, ending: &str) -> io::Result<PathBuf> {
    let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = name.to_owned();
    name.push(format!(".{ending}"));
    Ok(socket.with_file_name(name))
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_beside_a_socket_but_what_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("a.sock");
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        drop(lock(&socket).unwrap());
        drop(log(&socket).unwrap());
        std::fs::write(&socket, "").unwrap();
        // Another daemon's.
        withdraw(&socket, false).unwrap();
        assert_eq!(files(), 3);
        // Somebody is about to start one.
        let held = lock(&socket).unwrap();
        withdraw(&socket, true).unwrap();
        assert_eq!(files(), 3);
        drop(held);
        withdraw(&socket, true).unwrap();
        assert_eq!(files(), 0);
        std::fs::write(folder.path().join("a.sock.log"), "fault").unwrap();
        withdraw(&socket, true).unwrap();
        assert_eq!(files(), 1);
    }

    #[test]
    fn a_lock_that_was_removed_meanwhile_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("a.sock");
        let first = lock(&socket).unwrap();
        let waiting = std::thread::spawn({
            let socket = socket.clone();
            move || lock(&socket).unwrap()
        });
        // Whether it waits already or comes later: both must end with the file that is there.
        std::fs::remove_file(folder.path().join("a.sock.lock")).unwrap();
        drop(first);
        let second = waiting.join().unwrap();
        assert!(is_at(&second, &folder.path().join("a.sock.lock")).unwrap());
    }
}
