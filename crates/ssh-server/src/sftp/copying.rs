//! Content on its way into the sandbox.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use sandboxer_reach::{ReachError, ReachErrorKind, Session, WriteOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces that are ready to go.
const READY: usize = 4;

/// A file being written from its beginning on. Left without [`finish`](Self::finish), it breaks off with a fault, so that
/// nobody takes it for whole.
pub(super) struct Upload {
    pieces: mpsc::Sender<Option<Bytes>>,
    task: JoinHandle<Result<(), ReachError>>,
}

impl Upload {
    pub(super) fn begin(session: Arc<dyn Session>, path: PathBuf, user: Option<String>) -> Self {
        let (pieces, received) = mpsc::channel(READY);
        // The end has to be said: a channel that just closes was left.
        let content = stream::unfold(Some(received), |received| async {
            let mut received: mpsc::Receiver<Option<Bytes>> = received?;
            match received.recv().await {
                Some(Some(bytes)) => Some((Ok(bytes), Some(received))),
                Some(None) => None,
                None => Some((Err(io::Error::other("the client left")), None)),
            }
        });
        let content = content.boxed();
        let task =
            tokio::spawn(async move { session.write(&path, WriteOptions::default(), content, user.as_deref()).await });
        Self { pieces, task }
    }

    /// The next piece. When it can go nowhere, why is said by [`finish`](Self::finish).
    pub(super) async fn write(&self, bytes: Bytes) -> Result<(), ()> {
        self.pieces.send(Some(bytes)).await.map_err(drop)
    }

    /// The end: all of it has arrived.
    pub(super) async fn finish(self) -> Result<(), ReachError> {
        let told = self.pieces.send(None).await;
        match self.task.await {
            Ok(Ok(())) if told.is_err() => Err(incomplete()),
            Ok(written) => written,
            Err(error) => Err(incomplete().with_source(error)),
        }
    }
}

fn incomplete() -> ReachError {
    ReachError::new(ReachErrorKind::Protocol, "the sandbox did not take all of the file")
}
