//! A way into a sandbox of the world, which answers and can do nothing.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use sandboxer_reach::{
    ByteStream, CommandInfo, Content, Entry, Events, ExecEvent, ExecRequest, Execution, ExitStatus, Extent, Pace, Port,
    ProcessSelector, ReachError, ReachErrorKind, Session, SignalScope, Target, WatchEvent, WriteOptions,
};
use std::io;
use std::path::Path;

/// Answers, and refuses everything else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdleSession;

fn refused<T>() -> Result<T, ReachError> {
    Err(ReachError::new(ReachErrorKind::Unsupported, "there is nothing in the sandboxes of tests"))
}

type User<'a> = Option<&'a str>;

#[async_trait]
impl Session for IdleSession {
    async fn health(&self) -> Result<(), ReachError> {
        Ok(())
    }

    async fn exec(&self, _request: ExecRequest) -> Result<Execution, ReachError> {
        refused()
    }

    async fn attach(&self, _: &ProcessSelector, _: Option<u64>, _: Pace) -> Result<Execution, ReachError> {
        refused()
    }

    async fn kept_output(&self, _: &ProcessSelector, _: u64) -> Result<Events<ExecEvent>, ReachError> {
        refused()
    }

    async fn commands(&self) -> Result<Vec<CommandInfo>, ReachError> {
        refused()
    }

    async fn signal(&self, _: &ProcessSelector, _: i32, _: SignalScope) -> Result<(), ReachError> {
        refused()
    }

    async fn wait(&self, _: &ProcessSelector) -> Result<ExitStatus, ReachError> {
        refused()
    }

    async fn stat(&self, _: &Path, _: User<'_>) -> Result<Entry, ReachError> {
        refused()
    }

    async fn list(&self, _: &Path, _: User<'_>) -> Result<Vec<Entry>, ReachError> {
        refused()
    }

    async fn make_dir(&self, _: &Path, _: User<'_>) -> Result<(), ReachError> {
        refused()
    }

    async fn rename(&self, _: &Path, _: &Path, _: User<'_>) -> Result<(), ReachError> {
        refused()
    }

    async fn remove(&self, _: &Path, _: User<'_>) -> Result<(), ReachError> {
        refused()
    }

    async fn read(&self, _: &Path, _: User<'_>) -> Result<Content, ReachError> {
        refused()
    }

    async fn write(
        &self,
        _: &Path,
        _: WriteOptions,
        _: BoxStream<'static, io::Result<Bytes>>,
        _: User<'_>,
    ) -> Result<(), ReachError> {
        refused()
    }

    async fn read_extents(&self, _: &Path, _: User<'_>) -> Result<Events<Extent>, ReachError> {
        refused()
    }

    async fn write_extents(
        &self,
        _: &Path,
        _: WriteOptions,
        _: BoxStream<'static, io::Result<Extent>>,
        _: User<'_>,
    ) -> Result<(), ReachError> {
        refused()
    }

    async fn set_mode(&self, _: &Path, _: u32, _: User<'_>) -> Result<(), ReachError> {
        refused()
    }

    async fn make_symlink(&self, _: &Path, _: &Path, _: User<'_>) -> Result<(), ReachError> {
        refused()
    }

    async fn make_hard_link(&self, _: &Path, _: &Path, _: User<'_>) -> Result<(), ReachError> {
        refused()
    }

    async fn watch(&self, _: &Path, _: bool, _: User<'_>) -> Result<Events<WatchEvent>, ReachError> {
        refused()
    }

    async fn ports(&self) -> Result<Vec<Port>, ReachError> {
        refused()
    }

    async fn connect(&self, _: &Target, _: User<'_>) -> Result<Box<dyn ByteStream>, ReachError> {
        refused()
    }
}
