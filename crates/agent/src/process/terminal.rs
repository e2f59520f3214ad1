//! Pseudo terminals.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::Bytes;
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::output::with_scratch;

/// A terminal's two ends. Whoever opens it owns it, so this runs with the rights of the command's user.
pub(super) struct Pair {
    pub(super) master: OwnedFd,
    pub(super) slave: OwnedFd,
}

impl Pair {
    pub(super) fn open(rows: u16, cols: u16) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        resize(&master, rows, cols)?;
        Ok(Self { master, slave })
    }
}

fn resize(master: impl AsFd, rows: u16, cols: u16) -> io::Result<()> {
    Ok(tcsetwinsize(master, Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 })?)
}

/// The agent's end of a command's terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    master: AsyncFd<OwnedFd>,
}

impl Terminal {
    pub(super) fn new(master: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&master, true)?;
        #[allow(unsafe_code, reason = "the safe form is deprecated")]
        // SAFETY: the descriptor is owned by what is registered, and stays open and the same as long as that lives.
        let master = unsafe { AsyncFd::register(master) }.map_err(|error| error.into_parts().1)?;
        Ok(Self { master })
    }

    pub(super) fn resize(&self, rows: u16, cols: u16) -> io::Result<()> {
        resize(self, rows, cols)
    }

    /// The next piece; empty when nobody has the other end open.
    pub(super) async fn read(&self) -> io::Result<Bytes> {
        let read = |master: &OwnedFd| {
            with_scratch(|scratch| match rustix::io::read(master, scratch) {
                // What a terminal answers when its other end is gone.
                Err(Errno::IO) => Ok(0),
                other => Ok(other?),
            })
        };
        self.master.async_io(Interest::READABLE, read).await
    }

    /// Writes as much as the terminal takes; waits while it takes none.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let write = |master: &OwnedFd| Ok(rustix::io::write(master, bytes)?);
        self.master.async_io(Interest::WRITABLE, write).await
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.get_ref().as_fd()
    }
}
