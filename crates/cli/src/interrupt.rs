//! Ctrl-C and its kin: once to withdraw, twice to leave at once.

use crate::error::{CommandResult, local_fault};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// Turns signals into withdrawal, or hands them to whoever asked for them.
#[derive(Clone)]
pub(crate) struct Interrupts {
    /// Turned by the first signal that nobody else takes.
    pub(crate) cancel: CancellationToken,
    heard: Arc<Mutex<Heard>>,
}

/// What came, and who wants it.
#[derive(Default)]
struct Heard {
    /// The signal that turned `cancel`.
    first: Option<i32>,
    taker: Option<UnboundedSender<i32>>,
}

impl Interrupts {
    /// Listens from now on. Must be called within the runtime.
    pub(crate) fn listen() -> CommandResult<Self> {
        let interrupts = Self { cancel: CancellationToken::new(), heard: Arc::default() };
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()] {
            let mut stream = signal(kind).map_err(|error| local_fault("listen for signals", &error))?;
            let heard = interrupts.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    heard.hear(kind.as_raw_value());
                }
            });
        }
        Ok(interrupts)
    }

    fn hear(&self, number: i32) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.taker.as_ref().is_some_and(|taker| taker.send(number).is_ok()) {
            return;
        }
        if self.cancel.is_cancelled() {
            // The second time: leave at once. What is owed stays in the store.
            std::process::exit(128 + number);
        }
        heard.first = Some(number);
        self.cancel.cancel();
    }

    /// Takes the signals until the receiver is dropped: for handing them to a command inside. One that came while the
    /// command was being started is among them, since nobody else has heeded it.
    pub(crate) fn take(&self) -> UnboundedReceiver<i32> {
        let (sender, receiver) = unbounded_channel();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = heard.first
            && sender.send(number).is_err()
        {
            tracing::debug!(number, "nobody hears a signal");
        }
        heard.taker = Some(sender);
        receiver
    }
}
