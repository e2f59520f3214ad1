//! Where an extension's words go when a host listens: onto the wire.

use crate::wire::{LARGEST_DRAFT, checkpoint_line, log_line, progress_line};
use crate::{CallSink, LogLevel, Progress};
use async_trait::async_trait;
use sandboxer_types::{ErrorKind, Failure, Object};
use tokio::sync::{mpsc, oneshot};

/// A line for the host, and who waits until it was written.
pub(super) struct Outgoing {
    pub(super) line: String,
    pub(super) written: Option<oneshot::Sender<()>>,
}

/// The words of one call.
pub(super) struct WireSink {
    pub(super) call: String,
    pub(super) outgoing: mpsc::UnboundedSender<Outgoing>,
}

impl WireSink {
    fn say(&self, line: serde_json::Result<String>) {
        match line {
            // Nobody listens any more; the call is about to be cancelled for it.
            Ok(line) => drop(self.outgoing.send(Outgoing { line, written: None })),
            Err(error) => tracing::warn!(%error, "a line cannot be said"),
        }
    }
}

#[async_trait]
impl CallSink for WireSink {
    fn progress(&self, progress: Progress) {
        self.say(progress_line(&self.call, progress));
    }

    fn log(&self, level: LogLevel, line: String) {
        self.say(log_line(&self.call, level, line));
    }

    async fn checkpoint(&self, draft: Object) -> Result<(), Failure> {
        let fault = |message: String| Failure::new(ErrorKind::Internal, message);
        let line = checkpoint_line(&self.call, draft).map_err(|error| fault(error.to_string()))?;
        if line.len() > LARGEST_DRAFT + 1024 {
            return Err(fault(format!("a draft takes {} bytes; at most {LARGEST_DRAFT} are kept", line.len())));
        }
        let (written, wait) = oneshot::channel();
        let gone = || fault("the host is gone, and a draft was not kept".to_owned());
        self.outgoing.send(Outgoing { line, written: Some(written) }).map_err(|_| gone())?;
        wait.await.map_err(|_| gone())
    }
}
