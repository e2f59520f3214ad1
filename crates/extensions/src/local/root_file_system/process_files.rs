//! `/proc`: of the sandbox's own processes, with what tells about the whole machine or changes it covered.

use crate::local::failure::Fault;
use crate::local::mounts;
use std::path::Path;

/// Files that are shown empty. The kernel refuses most of them to a user namespace already; this does not rely on it.
const COVERED: [&str; 7] = [
    "proc/kcore",
    "proc/keys",
    "proc/key-users",
    "proc/kmsg",
    "proc/latency_stats",
    "proc/timer_list",
    "proc/sched_debug",
];

/// What can be read and not written.
const READ_ONLY: [&str; 5] = ["proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus", "proc/fs"];

pub(super) fn build() -> Result<(), Fault> {
    mounts::fresh(c"proc", Path::new("proc"), None)?;
    for path in COVERED.map(Path::new) {
        if path.exists() {
            mounts::bind(Path::new("dev/null"), path, 0)?;
        }
    }
    for path in READ_ONLY.map(Path::new) {
        if path.exists() {
            mounts::bind(path, path, mounts::READ_ONLY)?;
        }
    }
    Ok(())
}
