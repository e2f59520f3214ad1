//! This process's own lock.

use super::processes::{listed_groups, living_groups};
use crate::state::ProcessId;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// This process's own lock. Held for life; the file goes when it is dropped.
#[derive(Debug)]
pub struct ProcessLock {
    id: ProcessId,
    path: PathBuf,
    held: File,
}

impl ProcessLock {
    /// Takes the lock named `id` in `folder`, which must exist.
    pub fn take(folder: &Path, id: ProcessId) -> io::Result<Self> {
        let path = folder.join(&id.0);
        loop {
            let file = File::options().create_new(true).write(true).open(&path)?;
            // Nobody holds it longer than a look at it takes.
            rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
            // Until it was locked, it looked like a dead process's, and may have been swept.
            if is_at(&file, &path)? {
                return Ok(Self { id, path, held: file });
            }
        }
    }

    /// The name under which this process claims sandboxes.
    pub fn id(&self) -> &ProcessId {
        &self.id
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> &File {
        &self.held
    }

    /// A descriptor to which every process group that this process starts is to be appended before its program runs:
    /// its leader's number in decimal and a line feed, in one write. Should that write fail, or fall short, the program
    /// must not run. A line feed before the number keeps it apart from what fell short before it.
    pub fn groups(&self) -> io::Result<File> {
        let file = File::options().append(true).open(&self.path)?;
        match is_same(&file, &self.held)? {
            true => Ok(file),
            false => Err(io::Error::other("the lock of this process was replaced")),
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(found) => is_same(file, &found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_same(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

impl Drop for ProcessLock {
    fn drop(&mut self) {
        // Whoever acts next has to know what is still at work. Without its lock, the file is a dead process's.
        match listed_groups(&self.path) {
            Ok(listed) if living_groups(&listed, &self.id).next().is_none() => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "cannot tell what this process has started");
                return;
            }
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the lock of this process");
        }
    }
}
