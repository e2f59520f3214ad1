//! One file's contents, copied in the cheapest way that the file systems offer.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// At once; the rest follows in further calls, between which a copy can be given up.
const PART: usize = 8 << 20;

/// Copies contents between two files.
#[derive(Debug)]
pub(super) struct FileCopier {
    shares_blocks: bool,
    copies_ranges: bool,
}

impl FileCopier {
    pub(super) fn new() -> Self {
        Self { shares_blocks: true, copies_ranges: true }
    }

    /// Copies everything. What the file systems refused once is not tried for the next file.
    pub(super) fn copy(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        keep_on: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        if self.shares_blocks {
            match rustix::fs::ioctl_ficlone(to, from) {
                Ok(()) => return Ok(()),
                Err(_) => self.shares_blocks = false,
            }
        }
        while self.copies_ranges {
            keep_on()?;
            match rustix::fs::copy_file_range(from, None, to, None, PART) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF) => {
                    self.copies_ranges = false;
                }
                Err(error) => return Err(error.into()),
            }
        }
        // From where the calls above left off. Some file systems answer "nothing more" to those without having tried.
        let (mut from, mut to) = (File::from(from.try_clone()?), File::from(to.try_clone()?));
        loop {
            keep_on()?;
            let part = &mut io::Read::take(&mut from, PART as u64);
            if io::copy(part, &mut to)? == 0 {
                return Ok(());
            }
        }
    }
}
