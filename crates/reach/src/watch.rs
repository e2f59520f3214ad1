//! What happens in a watched directory.

use std::path::PathBuf;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// To one entry.
    Changed {
        /// Relative to the watched directory; empty for that directory itself.
        path: PathBuf,
        /// What.
        kind: ChangeKind,
    },
    /// More than could be told: only looking tells how things are now.
    Overflow,
}

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It appeared, or was moved here.
    Created,
    /// Its content changed.
    Written,
    /// It is gone.
    Removed,
    /// It was moved away.
    MovedAway,
    /// Its mode, owner or times changed.
    Attributes,
    /// Something else.
    Other,
}
