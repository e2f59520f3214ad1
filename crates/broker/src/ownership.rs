//! Who works on what, told by locks that the kernel drops with the process that holds them.

use crate::state::ProcessId;
use rustix::fs::{FlockOperation, flock};
use sandboxer_types::Tether;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Tells whether processes still live.
pub trait Liveness: Send + Sync {
    /// Whether a process that works on sandboxes lives.
    fn is_alive(&self, process: &ProcessId) -> bool;
    /// Whether a process that a sandbox is tethered to lives.
    fn tether_is_alive(&self, tether: &Tether) -> bool;
}

/// This process's own lock. Held for life; the file goes when it is dropped.
#[derive(Debug)]
pub struct ProcessLock {
    id: ProcessId,
    path: PathBuf,
    _held: File,
}

impl ProcessLock {
    /// Takes the lock named `id` in `folder`, which must exist.
    pub fn take(folder: &Path, id: ProcessId) -> io::Result<Self> {
        let path = folder.join(&id.0);
        let file = File::options().create_new(true).write(true).open(&path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { id, path, _held: file })
    }

    /// The name under which this process claims sandboxes.
    pub fn id(&self) -> &ProcessId {
        &self.id
    }
}

impl Drop for ProcessLock {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the lock of this process");
        }
    }
}

/// Tells liveness from the locks in one folder.
#[derive(Debug, Clone)]
pub struct FileLocks {
    folder: PathBuf,
}

impl FileLocks {
    /// Looks at the locks in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Removes the lock files of processes that died without doing so. Returns how many.
    pub fn sweep(&self) -> io::Result<usize> {
        let mut swept = 0;
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if is_unlocked(&path)? {
                match std::fs::remove_file(&path) {
                    Ok(()) => swept += 1,
                    // Somebody else swept it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(swept)
    }
}

/// Whether nobody holds the lock. A file that was made a moment ago and is not locked yet has written nothing either.
fn is_unlocked(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Liveness for FileLocks {
    fn is_alive(&self, process: &ProcessId) -> bool {
        match is_unlocked(&self.folder.join(&process.0)) {
            Ok(unlocked) => !unlocked,
            Err(error) => {
                // Two owners would be worse than one that is thought alive for too long.
                tracing::warn!(%error, %process, "cannot tell whether a process lives");
                true
            }
        }
    }

    fn tether_is_alive(&self, tether: &Tether) -> bool {
        start_ticks(tether.pid) == Some(tether.start_ticks)
    }
}

/// When a process started, in clock ticks after boot; `None` when there is no such process, or only its zombie.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces and parentheses of its own.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // starttime is field 22 of proc_pid_stat(5); the state was field 3.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_lives_as_long_as_its_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let locks = FileLocks::new(folder.path().to_owned());
        let id = ProcessId("one".to_owned());
        assert!(!locks.is_alive(&id));
        let lock = ProcessLock::take(folder.path(), id.clone()).expect("free");
        assert!(locks.is_alive(&id));
        assert_eq!(locks.sweep().expect("readable"), 0);
        drop(lock);
        assert!(!locks.is_alive(&id));
        std::fs::write(folder.path().join("dead"), "").expect("writable");
        assert_eq!(locks.sweep().expect("readable"), 1);
    }

    #[test]
    fn a_tether_is_one_process_and_no_other_of_its_number() {
        let pid = std::process::id();
        let ticks = start_ticks(pid).expect("this process lives");
        let locks = FileLocks::new(PathBuf::new());
        assert!(locks.tether_is_alive(&Tether { pid, start_ticks: ticks }));
        assert!(!locks.tether_is_alive(&Tether { pid, start_ticks: ticks + 1 }));
    }
}
