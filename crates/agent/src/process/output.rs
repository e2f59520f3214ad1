//! A command's output on its way to whoever follows it.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::hub::Hub;
use super::kept::Source;
use super::terminal::Terminal;

/// One read takes at most this much: what a pipe holds.
const PIECE: usize = 64 * 1024;
/// How long the output of a command that ended is waited for, beyond what it left in the pipe: a helper of its own
/// may still be writing, but a background process must not keep the end from being told.
const GRACE: Duration = Duration::from_millis(100);

thread_local! {
    /// Everything is read into here first and copied out in its true size, so that a quiet command holds no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// One of a command's outputs.
pub(super) struct Output {
    pub(super) source: Source,
    pub(super) reader: Reader,
}

/// Where an output is read from.
pub(super) enum Reader {
    Pipe(pipe::Receiver),
    Terminal(Arc<Terminal>),
}

impl Reader {
    /// The next piece; empty at the end. Cancelling it loses nothing.
    async fn read(&self) -> io::Result<Bytes> {
        match self {
            Self::Pipe(pipe) => loop {
                pipe.readable().await?;
                match with_scratch(|scratch| pipe.try_read(scratch)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    other => return other,
                }
            },
            Self::Terminal(terminal) => terminal.read().await,
        }
    }

    /// How many bytes wait to be read.
    fn pending(&self) -> u64 {
        let pending = match self {
            Self::Pipe(pipe) => rustix::io::ioctl_fionread(pipe),
            Self::Terminal(terminal) => rustix::io::ioctl_fionread(terminal.as_ref()),
        };
        pending.unwrap_or(0)
    }
}

/// Gives out what `read` puts into the thread's scratch buffer.
pub(super) fn with_scratch(read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Bytes> {
    SCRATCH.with_borrow_mut(|scratch| {
        let length = read(scratch)?;
        Ok(Bytes::copy_from_slice(&scratch[..length]))
    })
}

impl Output {
    /// Passes everything on until the end of the output, or until the command `exited` and what it left was passed on.
    /// Gives itself back if the other end is still open then.
    pub(super) async fn pump(self, hub: &Hub, mut exited: watch::Receiver<bool>) -> Option<Self> {
        loop {
            tokio::select! {
                biased;
                piece = self.reader.read() => {
                    if !self.pass(piece, hub).await { return None; }
                }
                // Its value only ever becomes true, and its sender outlives this.
                _ = exited.changed() => break,
            }
        }
        let mut left = self.reader.pending();
        let end = Instant::now() + GRACE;
        while left > 0 || Instant::now() < end {
            // What is there already is read whatever the time.
            let Ok(piece) = timeout_at(end, self.reader.read()).await else { break };
            left = left.saturating_sub(piece.as_ref().map_or(0, Bytes::len) as u64);
            if !self.pass(piece, hub).await {
                return None;
            }
        }
        Some(self)
    }

    /// Whether there may be more.
    async fn pass(&self, piece: io::Result<Bytes>, hub: &Hub) -> bool {
        match piece {
            Ok(bytes) if bytes.is_empty() => false,
            Ok(bytes) => {
                hub.publish(self.source, bytes).await;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read a command's output");
                false
            }
        }
    }

    /// Reads and forgets until the end, so that a background process is neither blocked nor killed for writing.
    pub(super) async fn discard(self) {
        while let Ok(bytes) = self.reader.read().await {
            if bytes.is_empty() {
                return;
            }
        }
    }
}
