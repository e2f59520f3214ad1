//! What the agent complains about: kept by the supervisor, so that nothing inside holds a file of the host's open for
//! writing, and only so much of it.

use super::folder::Folder;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use std::io;

/// As much as an error message may carry.
const TAIL: usize = 2000;

/// The supervisor's end of the agent's stderr.
#[derive(Debug)]
pub(crate) struct AgentLog {
    /// `None` once the agent is gone.
    pipe: Option<OwnedFd>,
    tail: Vec<u8>,
}

impl AgentLog {
    /// A log, and what the agent writes to.
    pub(crate) fn new() -> rustix::io::Result<(Self, OwnedFd)> {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        Ok((Self { pipe: Some(reader), tail: Vec::new() }, writer))
    }

    /// What becomes readable when there is something to keep.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Keeps what is there.
    pub(crate) fn keep(&mut self, folder: &Folder) -> io::Result<()> {
        let mut part = [0; 4096];
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut part) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    folder.log(&part[..count])?;
                    self.tail.extend_from_slice(&part[..count]);
                    let excess = self.tail.len().saturating_sub(TAIL);
                    self.tail.drain(..excess);
                    // One part at a time: whoever writes without an end must not keep the supervisor from its work.
                    return Ok(());
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// How it ends.
    pub(crate) fn tail(&self) -> String {
        String::from_utf8_lossy(&self.tail).trim().to_owned()
    }
}
