//! Between a command and one who follows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::hub::Event;

/// Pieces that wait for one follower. A follower who is connected but does not read slows the command down; without
/// followers its output is only kept.
pub(super) const WAITING: usize = 4;

/// The command's end.
#[derive(Debug, Clone)]
pub(super) struct Follower {
    queue: mpsc::Sender<Event>,
    given_up: Arc<AtomicBool>,
}

/// The follower's end.
#[derive(Debug)]
pub(super) struct Events {
    queue: mpsc::Receiver<Event>,
    given_up: Arc<AtomicBool>,
    /// Dropped with this.
    here: Option<oneshot::Sender<()>>,
}

/// Why a follower hears no more, without the command's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Missed {
    /// It did not read.
    #[error("the command has exited, and its output was not read in time")]
    TooSlow,
    /// The agent goes, and the command with it.
    #[error("the agent is ending")]
    Ending,
}

/// A new follower.
pub(super) fn queue() -> (Follower, Events) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let given_up = Arc::<AtomicBool>::default();
    (Follower { queue: sender, given_up: Arc::clone(&given_up) }, Events { queue: receiver, given_up, here: None })
}

impl Follower {
    /// Waits until there is room. Whether the follower is still there.
    pub(super) async fn send(&self, event: Event) -> bool {
        self.queue.send(event).await.is_ok()
    }

    /// Tells something before anything else.
    pub(super) fn tell_first(&self, event: Event) {
        let told = self.queue.try_send(event);
        debug_assert!(told.is_ok(), "an empty channel has room");
    }

    /// It is told no more, once the command lets go of this.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Whether it left or was given up.
    pub(super) fn is_lost(&self) -> bool {
        self.queue.is_closed() || self.given_up.load(Ordering::Relaxed)
    }
}

impl Events {
    /// What ends when the follower leaves.
    pub(super) fn presence(&mut self) -> oneshot::Receiver<()> {
        let (here, leaves) = oneshot::channel();
        self.here = Some(here);
        leaves
    }

    /// The next event. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Result<Event, Missed> {
        let next = self.queue.recv().await;
        let missed = if self.given_up.load(Ordering::Relaxed) { Missed::TooSlow } else { Missed::Ending };
        next.ok_or(missed)
    }
}
