//! The checks, a file each, in the order in which they are run.

mod crash;
mod lifecycle;
mod optional;
mod wire;

use crate::check::Check;

/// Every check, lowest level first.
pub const ALL: &[&Check] = &[
    // The wire.
    &wire::describe_is_pure::CHECK,
    // The lifecycle.
    &lifecycle::lifecycle_in_fresh_processes::CHECK,
    // Crashes.
    &crash::killed_at_every_message::CHECK,
    // What is optional.
    &optional::status_follows::CHECK,
];
