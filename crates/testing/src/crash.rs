//! Processes that die at a chosen instant.

use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::sync::CancellationToken;

/// Counts the instants at which a process may die: right before and right after every durable write and every call of
/// an extension. At the chosen one, the process stops for good.
#[derive(Debug)]
pub struct CrashPoints {
    fatal: Option<usize>,
    passed: AtomicUsize,
    died: CancellationToken,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended<T> {
    /// It did what it was asked.
    Normally(T),
    /// It died at its chosen instant.
    Crashed,
}

impl CrashPoints {
    /// Dies at the instant of this number, counted from 0; never when `None`.
    pub fn new(fatal: Option<usize>) -> Self {
        Self { fatal, passed: AtomicUsize::new(0), died: CancellationToken::new() }
    }

    /// How many instants were passed.
    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    /// Passes one instant, or dies there: then it never returns.
    pub async fn pass(&self) {
        let number = self.passed.fetch_add(1, Ordering::SeqCst);
        if self.fatal == Some(number) {
            self.died.cancel();
        }
        if self.died.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs `work` until its end or the process's death.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Ended<T> {
        tokio::select! {
            biased;
            () = self.died.cancelled() => Ended::Crashed,
            result = work => Ended::Normally(result),
        }
    }
}
