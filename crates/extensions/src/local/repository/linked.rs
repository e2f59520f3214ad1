//! Work trees whose repository lies elsewhere.

use std::path::Path;

/// How a folder belongs to git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GitTree {
    /// Not the root of a work tree.
    None,
    /// With its repository in it.
    Whole,
    /// `.git` is a file that names a repository elsewhere: a linked work tree, or a submodule of its own.
    Linked,
}

impl GitTree {
    /// Looks at a folder.
    pub(super) fn of(folder: &Path) -> Self {
        match folder.join(".git").symlink_metadata() {
            Ok(status) if status.is_dir() => Self::Whole,
            Ok(_) => Self::Linked,
            Err(_) => Self::None,
        }
    }
}

/// Whether a folder is inside some work tree, so that the ignore files above it count.
pub(super) fn is_in_work_tree(folder: &Path) -> bool {
    folder.ancestors().any(|ancestor| ancestor.join(".git").symlink_metadata().is_ok())
}
