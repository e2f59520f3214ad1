//! How a worker hears that it should stop: from its parent, or by a signal of its own.

use crate::error::CommandResult;
use crate::interrupt::Interrupts;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use tokio_util::sync::CancellationToken;

/// What a worker's parent is taken to have said when it is gone: SIGHUP.
const PARENT_GONE: i32 = 1;

/// Turned by whatever stops a worker.
#[derive(Clone)]
pub(crate) struct Withdrawal {
    /// Turned when it should stop and remove what it made.
    pub(crate) cancel: CancellationToken,
    first: Arc<AtomicI32>,
}

impl Withdrawal {
    /// Listens from now on: the standard input brings the numbers of the signals that the parent has heard, a byte each, and its end
    /// means that the parent is dead.
    ///
    /// A key pressed once on a terminal signals both. So a worker's own signals only ever stop it; to leave at once, it needs to be
    /// told twice by its parent.
    pub(crate) fn listen() -> CommandResult<Self> {
        let withdrawal = Self { cancel: CancellationToken::new(), first: Arc::default() };
        let mut own = Interrupts::listen()?.take();
        let heard = withdrawal.clone();
        tokio::spawn(async move {
            while let Some(number) = own.recv().await {
                heard.stop(number);
            }
        });
        let told = withdrawal.clone();
        // A thread: no read of the standard input can be withdrawn, and the process ends without waiting for this one.
        std::thread::spawn(move || told.follow_parent());
        Ok(withdrawal)
    }

    /// The signal that stopped it.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.cancel.is_cancelled().then(|| self.first.load(Ordering::Relaxed))
    }

    fn stop(&self, number: i32) {
        // The first that came is the one that counts.
        if self.first.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.cancel.cancel();
        }
    }

    fn follow_parent(&self) {
        let mut told = 0;
        for byte in std::io::stdin().lock().bytes() {
            let Ok(number) = byte else { break };
            told += 1;
            if told > 1 {
                // What is owed stays in the ledger, and the parent ends what is still at work.
                std::process::exit(128 + i32::from(number));
            }
            self.stop(i32::from(number));
        }
        self.stop(PARENT_GONE);
    }
}
