//! The trait that every way into a sandbox implements.

use std::fmt;
use std::io;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{
    ByteStream, CommandInfo, Content, Entry, ExecEvent, ExecRequest, Execution, ExitStatus, Extent, Pace, Port,
    ProcessSelector, ReachError, SignalScope, Target, WatchEvent, WriteOptions,
};

/// A stream of what becomes known bit by bit; a fault ends it.
pub type Events<Item> = BoxStream<'static, Result<Item, ReachError>>;

/// A way into one sandbox: commands, files and ports.
///
/// Paths may be relative to the user's home, and need not be UTF-8. `user` is the sandbox's default user when absent.
/// `tests/contract` holds every implementation to what is said here.
#[async_trait]
pub trait Session: Send + Sync + fmt::Debug {
    /// Whether the other side answers.
    async fn health(&self) -> Result<(), ReachError>;

    /// Starts a command. It outlives the [`Execution`] and the session.
    async fn exec(&self, request: ExecRequest) -> Result<Execution, ReachError>;

    /// Follows a command, whether it still runs or ended a while ago: its output from the offset `from` on, counted in
    /// bytes over all its output in the order in which it came, as far as it is kept; from now on when absent.
    async fn attach(&self, process: &ProcessSelector, from: Option<u64>, pace: Pace) -> Result<Execution, ReachError>;

    /// What is kept of a command's output from an offset on, without waiting for more.
    async fn kept_output(&self, process: &ProcessSelector, from: u64) -> Result<Events<ExecEvent>, ReachError>;

    /// The commands that run, and those that ended a while ago, oldest first.
    async fn commands(&self) -> Result<Vec<CommandInfo>, ReachError>;

    /// Sends any signal to a command.
    async fn signal(&self, process: &ProcessSelector, signal: i32, scope: SignalScope) -> Result<(), ReachError>;

    /// Waits for a command to end; of one that ended a while ago, at once.
    async fn wait(&self, process: &ProcessSelector) -> Result<ExitStatus, ReachError>;

    /// One entry; a symbolic link is described itself.
    async fn stat(&self, path: &Path, user: Option<&str>) -> Result<Entry, ReachError>;

    /// The entries of one directory, sorted by name.
    async fn list(&self, path: &Path, user: Option<&str>) -> Result<Vec<Entry>, ReachError>;

    /// A new directory with the parents that lack; `AlreadyExists` where one stands.
    async fn make_dir(&self, path: &Path, user: Option<&str>) -> Result<(), ReachError>;

    /// Renames, replacing what stood at `to`.
    async fn rename(&self, from: &Path, to: &Path, user: Option<&str>) -> Result<(), ReachError>;

    /// Removes a file or a whole tree; one that is absent already is no error.
    async fn remove(&self, path: &Path, user: Option<&str>) -> Result<(), ReachError>;

    /// The content of a file, streamed.
    async fn read(&self, path: &Path, user: Option<&str>) -> Result<Content, ReachError>;

    /// Writes a file, streamed, with the parents that lack. A fault of `content` ends the upload with that fault.
    async fn write(
        &self,
        path: &Path,
        options: WriteOptions,
        content: BoxStream<'static, io::Result<Bytes>>,
        user: Option<&str>,
    ) -> Result<(), ReachError>;

    /// The content of a file without its holes. A stream that ends without [`Extent::End`] ends with a fault.
    async fn read_extents(&self, path: &Path, user: Option<&str>) -> Result<Events<Extent>, ReachError>;

    /// As [`write`](Self::write), leaving holes where `content` has no data. It must end with [`Extent::End`].
    async fn write_extents(
        &self,
        path: &Path,
        options: WriteOptions,
        content: BoxStream<'static, io::Result<Extent>>,
        user: Option<&str>,
    ) -> Result<(), ReachError>;

    /// Sets the permission bits of what `path` leads to.
    async fn set_mode(&self, path: &Path, mode: u32, user: Option<&str>) -> Result<(), ReachError>;

    /// A symbolic link at `path` to `target`, which is written as given, replacing a link that stood there.
    async fn make_symlink(&self, path: &Path, target: &Path, user: Option<&str>) -> Result<(), ReachError>;

    /// One more name, `path`, of the file `existing`, replacing a file or link that stood there. A link is not followed.
    async fn make_hard_link(&self, path: &Path, existing: &Path, user: Option<&str>) -> Result<(), ReachError>;

    /// What happens in a directory, or with `recursive` in all below it, from the moment this returns on.
    async fn watch(&self, path: &Path, recursive: bool, user: Option<&str>) -> Result<Events<WatchEvent>, ReachError>;

    /// The TCP ports that are listened on, by number.
    async fn ports(&self) -> Result<Vec<Port>, ReachError>;

    /// Connects to a port or socket inside. Either direction can be shut down without the other.
    async fn connect(&self, target: &Target, user: Option<&str>) -> Result<Box<dyn ByteStream>, ReachError>;
}
