//! Watching directories.
//!
//! Each watch is a task that reads from the kernel and passes on what happened. The kernel's own queue is the buffer for
//! clients who do not read; when it overflows, they are told so.

mod polled;
mod task;
mod tree;

pub(crate) use polled::PolledWatches;
pub(super) use task::{Told, Wanted, start};
pub(super) use tree::{Change, ChangeKind};
