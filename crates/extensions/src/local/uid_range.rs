//! A range of user ids of its own for each sandbox that root makes, so that no sandbox's user is the host's or another's.
//!
//! The ranges lie where no convention puts anything: above those of `/etc/subuid` and systemd's containers, below 2³¹.
//! Which are taken is known through locks on single bytes of one file of the machine, one byte a range, which the kernel
//! drops with their holder. So state directories that know nothing of each other never share a range, and nothing has to
//! be cleaned up after a crash.

use super::folder::RootFolder;
use super::sys;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sandboxer_types::SandboxId;
use std::io;

/// Ids in a range: as many as one needs for a complete system, `nobody` included.
pub(crate) const LENGTH: u32 = 65_536;
const FIRST: u32 = 0x7000_0000;
/// Up to systemd's foreign ids at `0x7FFE_0000`.
const COUNT: u32 = 0x0FFE;

const MACHINE_FOLDER: &str = "/run/sandboxer";
const FILE: &str = "uid-ranges";

/// A range that nobody else on this machine has, as long as the descriptor stays open in some process.
#[derive(Debug)]
pub(crate) struct UidRange {
    /// Its first id, which is root inside.
    pub(crate) first: u32,
    /// Holds it.
    pub(crate) lock: OwnedFd,
}

/// Whether this process may give user ids away: it is root, and these ids exist where it runs.
pub(crate) fn available() -> io::Result<bool> {
    Ok(rustix::process::geteuid().is_root() && covers(&std::fs::read_to_string("/proc/self/uid_map")?))
}

fn covers(map: &str) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().map(str::parse::<u64>);
        match (fields.next(), fields.next(), fields.next()) {
            (Some(Ok(first)), Some(_), Some(Ok(length))) => {
                first <= u64::from(FIRST) && first + length >= u64::from(FIRST) + u64::from(COUNT) * u64::from(LENGTH)
            }
            _ => false,
        }
    })
}

/// Takes a range, beginning the search at one that follows from the id. `None` when all are taken.
pub(crate) fn take(root: &RootFolder, id: &SandboxId) -> io::Result<Option<UidRange>> {
    let subordinate = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    let lock = open(root)?;
    let hash = blake3::hash(id.as_str().as_bytes());
    let start = u32::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1], 0, 0]);
    for step in 0..COUNT {
        let number = (start + step) % COUNT;
        let first = FIRST + number * LENGTH;
        if !is_subordinate(&subordinate, first) && sys::try_lock_range(&lock, i64::from(number), 1)? {
            return Ok(Some(UidRange { first, lock }));
        }
    }
    Ok(None)
}

/// Whether somebody was given ids of this range in `/etc/subuid`.
fn is_subordinate(subordinate: &str, first: u32) -> bool {
    subordinate.lines().any(|line| {
        let mut fields = line.split(':').skip(1).map(|field| field.trim().parse::<u64>());
        match (fields.next(), fields.next()) {
            (Some(Ok(start)), Some(Ok(length))) => {
                start < u64::from(first) + u64::from(LENGTH) && u64::from(first) < start.saturating_add(length)
            }
            _ => false,
        }
    })
}

/// The machine's file, or one of this state directory where `/run` cannot be written.
fn open(root: &RootFolder) -> io::Result<OwnedFd> {
    let machine = match rustix::fs::mkdir(MACHINE_FOLDER, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::open(MACHINE_FOLDER, flags, Mode::empty()).and_then(open_in)
        }
        Err(error) => Err(error),
    };
    machine.or_else(|error| match error {
        Errno::NOENT | Errno::ROFS | Errno::ACCESS | Errno::PERM => Ok(open_in(root)?),
        other => Err(other.into()),
    })
}

fn open_in(folder: impl AsFd) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(folder, FILE, flags, Mode::RUSR | Mode::WUSR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_given_to_users_are_left_alone() {
        let text = "alice:100000:65536\nbob:1879113728:10\nbroken\n";
        assert!(!is_subordinate(text, FIRST));
        assert!(is_subordinate(text, FIRST + LENGTH));
        assert!(is_subordinate("x:0:99999999999", FIRST));
    }

    #[test]
    fn root_of_a_small_user_namespace_has_no_ranges_to_give() {
        assert!(covers("         0          0 4294967295\n"));
        assert!(!covers("         0       1000          1\n         1     100000      65536\n"));
    }
}
