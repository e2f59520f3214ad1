//! Where processes that are started note their groups.

use crate::PROCESS_VARIABLE;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

/// A list of process groups, kept where others find it when this process is gone: see `docs/decisions/0016`.
#[derive(Debug, Clone)]
pub struct GroupList {
    process: String,
    descriptor: Arc<OwnedFd>,
}

impl GroupList {
    /// The list that `descriptor` appends to, of what is started for the `sandboxer` process of this name.
    pub fn new(process: String, descriptor: OwnedFd) -> Self {
        Self { process, descriptor: Arc::new(descriptor) }
    }

    /// Has the new process, which must lead a group of its own, write its number down before it becomes the program, so
    /// that whoever comes after this process was killed knows what it had started.
    pub fn note(&self, command: &mut Command) {
        command.env(PROCESS_VARIABLE, &self.process);
        let groups = self.descriptor.clone();
        let note = move || {
            let mut digits = [0; 13];
            let line = decimal_line(rustix::process::getpid().as_raw_nonzero().get().unsigned_abs(), &mut digits);
            match rustix::io::write(groups.as_fd(), line) {
                Ok(length) if length == line.len() => Ok(()),
                Ok(_) => Err(io::Error::from(io::ErrorKind::WriteZero)),
                Err(error) => Err(error.into()),
            }
        };
        #[allow(unsafe_code, reason = "the only way to act between fork and exec")]
        // SAFETY: between fork and exec only async-signal-safe calls are allowed. The closure makes two system calls,
        // getpid(2) and write(2), directly and writes to its own stack; it allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(note);
        }
    }
}

/// The number in decimal on a line of its own, without an allocation. An end of a line stands before it, too: what another
/// write has left half done must not become a part of it.
fn decimal_line(mut number: u32, digits: &mut [u8; 13]) -> &[u8] {
    let mut start = digits.len() - 1;
    digits[start] = b'\n';
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            start -= 1;
            digits[start] = b'\n';
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_an_allocation() {
        for number in [0, 7, 10, 4_194_304, u32::MAX] {
            assert_eq!(decimal_line(number, &mut [0; 13]), format!("\n{number}\n").as_bytes());
        }
    }
}
