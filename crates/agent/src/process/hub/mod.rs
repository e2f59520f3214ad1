//! Who follows a command.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::followers::{Events, Follower, queue};
use super::kept::{Kept, Memory, Piece, Source};
use super::status::Exit;

/// How long the end of a command that has exited is withheld for a follower who takes nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a command ended, and whether because its time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) exit: Exit,
    pub(super) timed_out: bool,
}

/// What followers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Data(Piece),
    End(End),
}

/// Keeps a command's output and passes it to its followers.
#[derive(Debug)]
pub(super) struct Hub {
    state: Mutex<State>,
    /// Wakes those who read what is kept.
    changed: Notify,
    /// Whether the process is gone. Some of what it said may still be under way.
    exited: watch::Sender<bool>,
    /// See [`PATIENCE`].
    patience: Duration,
}

#[derive(Debug)]
struct State {
    kept: Kept,
    phase: Phase,
    /// How long the command waits for a follower whose connection broke.
    linger: Option<Duration>,
    /// When the last one was lost, as long as it may come back.
    lost: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    /// More may come, for these followers.
    Running(Vec<Follower>),
    /// It ended; who comes now is told so at once.
    Ended(End),
}

/// What a follower gets who wants to know what was before.
pub(super) struct Replay {
    /// The offset of the first byte that is given.
    pub(super) start: u64,
    /// What was kept.
    pub(super) pieces: Vec<Piece>,
}

/// What a reader finds.
pub(super) struct Found {
    /// Where that begins.
    pub(super) start: u64,
    pub(super) pieces: Vec<Piece>,
    /// How the command ended, if nothing more will come.
    pub(super) end: Option<End>,
}

/// An offset that the output has not come to yet.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the output has {end} bytes so far, and was asked for from byte {from}")]
pub(super) struct BeyondEnd {
    from: u64,
    end: u64,
}

impl Hub {
    pub(super) fn new(memory: Memory) -> Self {
        let state = State { kept: Kept::new(memory), phase: Phase::Running(Vec::new()), linger: None, lost: None };
        let exited = watch::Sender::new(false);
        Self { state: Mutex::new(state), changed: Notify::new(), exited, patience: PATIENCE }
    }

    /// Follows from now on.
    pub(super) fn follow(&self) -> Events {
        self.state().phase.follow()
    }

    /// When its last follower is lost, the command waits for so long before it says more than is kept: who comes back in
    /// time has lost nothing.
    pub(super) fn linger(&self, span: Duration) {
        let mut state = self.state();
        if !*self.exited.borrow() {
            state.kept.keep_what_is_under_way();
            state.linger = Some(span);
        }
    }

    /// What is kept from that offset of the output on, or from now on.
    pub(super) fn look(&self, from: Option<u64>) -> Result<Replay, BeyondEnd> {
        self.state().look(from)
    }

    /// The same, and follows from there.
    pub(super) fn replay(&self, from: Option<u64>) -> Result<(Replay, Events), BeyondEnd> {
        let mut state = self.state();
        let replay = state.look(from)?;
        state.lost = None;
        self.changed.notify_waiters();
        Ok((replay, state.phase.follow()))
    }

    /// What is kept from that offset on, once there is any, or the command ended.
    pub(super) async fn read(&self, from: u64) -> Found {
        loop {
            // Listens before it looks, so that no change falls between.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let found = self.found(from);
            if !found.pieces.is_empty() || found.end.is_some() {
                return found;
            }
            changed.await;
        }
    }

    fn found(&self, from: u64) -> Found {
        let state = self.state();
        let end = match state.phase {
            Phase::Running(_) => None,
            Phase::Ended(end) => Some(end),
        };
        Found { start: from.max(state.kept.start()), pieces: state.kept.from(from), end }
    }

    /// Keeps output and tells every follower, waiting for the slowest.
    pub(super) async fn publish(&self, source: Source, bytes: Bytes) {
        self.room(bytes.len()).await;
        let (event, followers) = {
            let state = &mut *self.state();
            let Phase::Running(followers) = &state.phase else { return };
            let offset = state.kept.end();
            state.kept.push(source, &bytes);
            (Event::Data(Piece { offset, source, bytes }), followers.clone())
        };
        self.changed.notify_waiters();
        if !self.tell(&followers, &event).await {
            self.state().leave_out_the_lost();
        }
    }

    /// Whether all of them took it, or may yet.
    async fn tell(&self, followers: &[Follower], event: &Event) -> bool {
        let told = followers.iter().map(|follower| async {
            tokio::select! {
                biased;
                sent = follower.send(event.clone()) => sent,
                () = self.out_of_patience() => {
                    follower.give_up();
                    false
                }
            }
        });
        join_all(told).await.into_iter().all(|told| told)
    }

    /// While the process runs, it is held back; once it is gone, that is of no more use.
    async fn out_of_patience(&self) {
        // The sender is in `self`, which outlives this call.
        self.exited.subscribe().wait_for(|exited| *exited).await.ok();
        sleep(self.patience).await;
    }

    /// The process is gone: from now on nobody's absence or slowness withholds its end for long.
    pub(super) fn exited(&self) {
        let mut state = self.state();
        if state.linger.take().is_some() {
            // Who comes back in time finds what would have waited for it.
            state.kept.keep_what_is_left();
        }
        self.exited.send_replace(true);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits until what comes can be kept, or until whoever was lost has had the time to come back.
    async fn room(&self, length: usize) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let Some(until) = self.state().waits_until(length) else { return };
            if timeout_at(until, changed).await.is_err() {
                self.state().lost = None;
                return;
            }
        }
    }

    /// The last event.
    pub(super) async fn end(&self, end: End) {
        self.exited();
        let phase = {
            let mut state = self.state();
            state.kept.close();
            std::mem::replace(&mut state.phase, Phase::Ended(end))
        };
        self.changed.notify_waiters();
        if let Phase::Running(followers) = phase {
            // Followers who left need not be told.
            self.tell(&followers, &Event::End(end)).await;
        }
    }

    /// The offsets of the first byte that is kept and after the last that came.
    pub(super) fn extent(&self) -> (u64, u64) {
        let state = self.state();
        (state.kept.start(), state.kept.end())
    }

    /// How much is kept, in bytes.
    pub(super) fn size(&self) -> usize {
        self.state().kept.size()
    }

    /// Forgets the output. Its length is still known.
    pub(super) fn forget(&self) {
        self.state().kept.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&self, from: Option<u64>) -> Result<Replay, BeyondEnd> {
        let end = self.kept.end();
        let from = from.unwrap_or(end);
        if from > end {
            return Err(BeyondEnd { from, end });
        }
        Ok(Replay { start: from.max(self.kept.start()), pieces: self.kept.from(from) })
    }

    fn leave_out_the_lost(&mut self) {
        let Phase::Running(followers) = &mut self.phase else { return };
        followers.retain(|follower| !follower.is_lost());
        if followers.is_empty() && self.linger.is_some() {
            self.lost = Some(Instant::now());
        }
    }

    /// Until when so much more must wait, if it must.
    fn waits_until(&self, length: usize) -> Option<Instant> {
        let until = self.lost? + self.linger?;
        // Where memory is short, there will be no room, however long it waits.
        let waits = !self.kept.has_room(length) && !self.kept.is_short_of_memory();
        waits.then_some(until)
    }
}

impl Phase {
    fn follow(&mut self) -> Events {
        let (follower, events) = queue();
        match self {
            Self::Running(followers) => {
                // A command that says nothing would not find out that they left.
                followers.retain(|follower| !follower.is_lost());
                followers.push(follower);
            }
            Self::Ended(end) => follower.tell_first(Event::End(*end)),
        }
        events
    }
}
