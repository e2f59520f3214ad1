//! Copies of files and whole trees between this machine and a sandbox, over any session.
//!
//! Both directions take the exact path of the copy, keep permission bits (but never set-id bits), copy symbolic links
//! as links, whatever they point to, files with holes with their holes, and several names of one file within the tree
//! as such. Names need not be UTF-8. Sockets, pipes and devices are refused. Times, owners and extended attributes are
//! not kept. A tree is merged into one that stands there.

mod download;
mod here;
mod sparse;
mod upload;

use std::path::Path;

pub use download::download;
pub use upload::upload;

use crate::{ReachError, ReachErrorKind};

/// Files of a tree that travel at a time: more would hide the way's delay better, and crowd out everything else on it.
const AT_A_TIME: usize = 4;
/// The permission bits that are kept.
const MODE: u32 = 0o777;
/// What a folder must allow while it is filled.
const FILLING: u32 = 0o700;
/// What is read of a local file at once, in bytes.
const PIECE: usize = 256 * 1024;

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Regular files.
    pub files: u64,
    /// Folders, made or merged into.
    pub folders: u64,
    /// Symbolic links.
    pub links: u64,
    /// Further names of files that were copied.
    pub names: u64,
    /// Bytes of the files, holes included.
    pub bytes: u64,
}

impl Copied {
    fn file(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// What is neither a file nor a folder nor a link has no content to copy.
fn refused(path: &Path) -> ReachError {
    let message = format!("`{}` is neither a file nor a folder nor a link", path.display());
    ReachError::new(ReachErrorKind::Unsupported, message)
}
