//! Copies of files and whole trees between this machine and a sandbox, over any session.
//!
//! Both directions take the exact path of the copy, keep permission bits (but never set-id bits) and copy symbolic
//! links as links, whatever they point to. Sockets, pipes and devices are refused. A tree is merged into one that
//! stands there.

mod download;
mod upload;

pub use download::download;
pub use upload::upload;

/// Files of a tree that travel at a time: more would hide the way's delay better, and crowd out everything else on it.
const AT_A_TIME: usize = 4;
/// The permission bits that are kept.
const MODE: u32 = 0o777;
/// What a folder must allow while it is filled.
const FILLING: u32 = 0o700;

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Regular files.
    pub files: u64,
    /// Folders, made or merged into.
    pub folders: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

impl Copied {
    fn file(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}
