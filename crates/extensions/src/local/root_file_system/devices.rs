//! `/dev`: the few devices that programs need and that are harmless, and terminals and shared memory of its own.

use super::etc::empty_file;
use crate::local::failure::{Doing, Fault};
use crate::local::mounts;
use std::os::unix::fs::symlink;
use std::path::Path;

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const LINKS: [(&str, &str); 5] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("dev/ptmx", "pts/ptmx"),
];

/// The group `tty`, where there is more than one group.
const OF_GROUP_TTY: &std::ffi::CStr = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
const OF_NO_GROUP: &std::ffi::CStr = c"newinstance,ptmxmode=0666,mode=0600";

pub(super) fn build(has_groups: bool) -> Result<(), Fault> {
    for name in DEVICES {
        let target = Path::new("dev").join(name);
        empty_file(&target)?;
        // A device cannot be made in a user namespace, but the host's can be shown.
        mounts::bind(&Path::new("/dev").join(name), &target, 0)?;
    }
    for (name, target) in LINKS {
        symlink(target, name).doing(format!("make /{name} in the sandbox"))?;
    }
    mounts::make_folder(Path::new("dev/pts"))?;
    mounts::fresh_terminals(Path::new("dev/pts"), if has_groups { OF_GROUP_TTY } else { OF_NO_GROUP })?;
    mounts::make_folder(Path::new("dev/shm"))?;
    mounts::fresh(c"tmpfs", Path::new("dev/shm"), Some(c"mode=1777"))
}
