//! The token of liveness: a lock that the kernel drops with the last process that has it open.
//!
//! The lock belongs to the open file description. The process that provisions takes it and hands the descriptor to the
//! supervisor, so from the folder's first moment to the sandbox's end there is no instant at which nobody holds it.

use super::folder::{Folder, JOURNAL};
use super::sys;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use sandboxer_sdk::{Call, CallEnd};
use std::io;

/// A lock that is held.
#[derive(Debug)]
pub(crate) struct Lock(OwnedFd);

impl Lock {
    /// Takes the folder's lock unless somebody has it.
    pub(crate) fn try_acquire(folder: &Folder) -> io::Result<Option<Self>> {
        let file = open(folder)?;
        Ok(sys::try_lock_range(&file, 0, 0)?.then_some(Self(file)))
    }

    /// Takes the folder's lock, waiting for whoever has it. The kernel offers no way to wait for a lock and for something
    /// else at once, so a thread waits; it is left behind when the call ends first, and goes when the lock comes.
    pub(crate) async fn acquire(folder: &Folder, call: &Call) -> io::Result<Result<Self, CallEnd>> {
        if let Some(lock) = Self::try_acquire(folder)? {
            return Ok(Ok(lock));
        }
        let file = open(folder)?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("lock".to_owned()).spawn(move || {
            let outcome = sys::wait_for_lock(&file).map(|()| Self(file));
            // Nobody listens any more: dropping the lock releases it.
            drop(sender.send(outcome));
        })?;
        tokio::select! {
            outcome = receiver => outcome.map_err(io::Error::other)?.map(Ok),
            end = call.ended() => Ok(Err(end)),
        }
    }

    /// Takes over a lock that another process acquired and handed on.
    pub(crate) fn handed_over(file: OwnedFd) -> Self {
        Self(file)
    }

    /// Whether the locked file is still the one that the folder shows: whoever had the lock before may have removed it.
    pub(crate) fn is_current(&self) -> io::Result<bool> {
        Ok(rustix::fs::fstat(&self.0)?.st_nlink > 0)
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open(folder: &Folder) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat(folder, JOURNAL, flags, Mode::RUSR | Mode::WUSR)?)
}

/// Whether somebody works on the sandbox or supervises it. Does not take the lock, so it disturbs nobody.
pub(crate) fn is_held(folder: &Folder) -> io::Result<bool> {
    match rustix::fs::openat(folder, JOURNAL, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(file) => sys::is_locked(&file),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
