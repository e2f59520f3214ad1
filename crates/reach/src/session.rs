//! The trait that every way into a sandbox implements.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{ExecRequest, Execution, ExitStatus, ReachError};

/// A way into one sandbox: commands and files. Paths may be relative to the user's home; `user` is the sandbox's
/// default user when absent.
#[async_trait]
pub trait Session: Send + Sync + fmt::Debug {
    /// Whether the other side answers.
    async fn health(&self) -> Result<(), ReachError>;

    /// Starts a command. It outlives the [`Execution`] and the session.
    async fn exec(&self, request: ExecRequest) -> Result<Execution, ReachError>;

    /// Follows a command that is running already, from now on; of one that ended, only how.
    async fn attach(&self, process: &ProcessSelector) -> Result<Execution, ReachError>;

    /// The commands that run now.
    async fn processes(&self) -> Result<Vec<ProcessInfo>, ReachError>;

    /// Sends any signal to a command.
    async fn signal(&self, process: &ProcessSelector, signal: i32, scope: SignalScope) -> Result<(), ReachError>;

    /// Waits for a command to end; of one that ended a while ago, at once.
    async fn wait(&self, process: &ProcessSelector) -> Result<ExitStatus, ReachError>;

    /// One entry; a symbolic link is described itself, with its target beside it.
    async fn stat(&self, path: &str, user: Option<&str>) -> Result<Entry, ReachError>;

    /// The entries of a directory, `depth` levels deep, sorted by path.
    async fn list(&self, path: &str, depth: u32, user: Option<&str>) -> Result<Vec<Entry>, ReachError>;

    /// A new directory with the parents that lack; `AlreadyExists` where one stands.
    async fn make_dir(&self, path: &str, user: Option<&str>) -> Result<(), ReachError>;

    /// Renames, replacing what stood at `to`.
    async fn rename(&self, from: &str, to: &str, user: Option<&str>) -> Result<(), ReachError>;

    /// Removes a file or a whole tree; one that is absent already is no error.
    async fn remove(&self, path: &str, user: Option<&str>) -> Result<(), ReachError>;

    /// The content of a file, streamed.
    async fn read(&self, path: &str, user: Option<&str>) -> Result<Content, ReachError>;

    /// Writes a file, streamed, with the parents that lack. A fault of `content` ends the upload with that fault.
    async fn write(
        &self,
        path: &str,
        options: WriteOptions,
        content: BoxStream<'static, std::io::Result<Bytes>>,
        user: Option<&str>,
    ) -> Result<(), ReachError>;

    /// Sets the permission bits of what `path` leads to.
    async fn set_mode(&self, path: &str, mode: u32, user: Option<&str>) -> Result<(), ReachError>;

    /// A symbolic link at `path` to `target`, replacing a link that stood there.
    async fn make_symlink(&self, path: &str, target: &str, user: Option<&str>) -> Result<(), ReachError>;

    /// The literal target of a symbolic link.
    async fn read_symlink(&self, path: &str, user: Option<&str>) -> Result<String, ReachError>;
}

/// Names a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessSelector {
    /// By its process id inside the sandbox.
    Pid(u32),
    /// By its tag; the latest of that tag.
    Tag(String),
}

/// Whom a signal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalScope {
    /// The command's own process alone.
    Process,
    /// The command's whole process group.
    Group,
}

/// A running command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its process id inside the sandbox.
    pub pid: u32,
    /// The name its starter gave it.
    pub tag: Option<String>,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What its starter added to the environment.
    pub env: BTreeMap<String, String>,
    /// The working directory its starter asked for.
    pub cwd: Option<String>,
}

/// A file, a directory or a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Last component of the path.
    pub name: String,
    /// Absolute path.
    pub path: String,
    /// What it is itself.
    pub kind: EntryKind,
    /// Where it leads, for a symbolic link.
    pub link: Option<LinkTarget>,
    /// In bytes.
    pub size: u64,
    /// Permission bits; of a link, those of its target.
    pub mode: u32,
    /// User name, or number where it has none.
    pub owner: String,
    /// Group name, or number where it has none.
    pub group: String,
    /// When its content last changed.
    pub modified: Option<SystemTime>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, a pipe, a device, or a link that leads nowhere.
    Other,
}

/// Where a symbolic link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTarget {
    /// The path it resolves to.
    pub path: String,
    /// What stands there.
    pub kind: EntryKind,
}

/// A file's content.
pub struct Content {
    /// In bytes, where known beforehand.
    pub size: Option<u64>,
    /// The bytes. A fault ends the stream; an end without one is the whole content.
    pub stream: BoxStream<'static, Result<Bytes, ReachError>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Its permission bits afterwards; those it had, or 0644, when absent.
    pub mode: Option<u32>,
}
