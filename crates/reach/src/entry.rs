//! What stands in a directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::SystemTime;

/// A name in a directory, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path.
    pub path: PathBuf,
    /// What it is itself.
    pub kind: EntryKind,
    /// In bytes; of a link, the length of its target.
    pub size: u64,
    /// Its own permission bits, at most 07777.
    pub mode: u32,
    /// User name, or number where it has none.
    pub owner: String,
    /// Group name, or number where it has none.
    pub group: String,
    /// When its content last changed.
    pub modified: Option<SystemTime>,
    /// A symbolic link's target, as it is written.
    pub target: Option<PathBuf>,
    /// What stands where a symbolic link leads; absent when that is nothing, and for all that is no link.
    pub target_kind: Option<EntryKind>,
    /// Bytes on disk: fewer than `size` when the file has holes.
    pub allocated: u64,
    /// How many names the file has.
    pub links: u64,
    /// Tells files apart, together with `device`.
    pub inode: u64,
    /// The number of the file system.
    pub device: u64,
}

impl Entry {
    /// What stands behind the last slash of the path: no name at all when the path ends there.
    pub fn name(&self) -> &OsStr {
        let path = self.path.as_os_str().as_bytes();
        OsStr::from_bytes(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default())
    }

    /// What is found by following it, if it is a link.
    pub fn leads_to(&self) -> Option<EntryKind> {
        if self.kind == EntryKind::Symlink { self.target_kind } else { Some(self.kind) }
    }

    /// Whether it is a file with holes.
    pub fn is_sparse(&self) -> bool {
        self.kind == EntryKind::File && self.allocated < self.size
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device.
    Device,
    /// Something else.
    Other,
}
