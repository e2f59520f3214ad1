//! L2: what it makes can be used, and is gone afterwards.

pub(super) mod lifecycle_in_fresh_processes;
