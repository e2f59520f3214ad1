//! Who follows a command.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};

use super::kept::{Kept, Memory, Piece, Source};
use super::status::Exit;

/// Pieces that wait for one follower. A follower who is connected but does not read slows the command down; without
/// followers its output is only kept.
const WAITING: usize = 4;

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
    /// The command runs, with these followers.
    Running(Vec<mpsc::Sender<Event>>),
    /// It ended; who comes now is told so at once.
    Ended(End),
}

/// What a follower gets who wants to know what was before.
pub(super) struct Replay {
    /// The offset of the first byte that is given.
    pub(super) start: u64,
    /// What was kept.
    pub(super) pieces: Vec<Piece>,
    /// What comes.
    pub(super) events: mpsc::Receiver<Event>,
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
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Follows from now on.
    pub(super) fn follow(&self) -> mpsc::Receiver<Event> {
        self.state().phase.follow()
    }

    /// When its last follower is lost, the command waits for so long before it says more than is kept: who comes back in
    /// time has lost nothing.
    pub(super) fn linger(&self, span: Duration) {
        let mut state = self.state();
        state.kept.keep_what_is_under_way();
        state.linger = Some(span);
    }

    /// Follows from that offset of the output on, or from now on.
    pub(super) fn replay(&self, from: Option<u64>) -> Result<Replay, BeyondEnd> {
        let mut state = self.state();
        let (kept, end) = (&state.kept, state.kept.end());
        let from = from.unwrap_or(end);
        if from > end {
            return Err(BeyondEnd { from, end });
        }
        let (start, pieces) = (from.max(kept.start()), kept.from(from));
        state.lost = None;
        self.changed.notify_waiters();
        Ok(Replay { start, pieces, events: state.phase.follow() })
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
        let told = join_all(followers.iter().map(|follower| follower.send(event.clone()))).await;
        if told.iter().any(Result::is_err) {
            self.state().leave_out_the_lost();
        }
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
        let phase = {
            let mut state = self.state();
            state.kept.close();
            std::mem::replace(&mut state.phase, Phase::Ended(end))
        };
        self.changed.notify_waiters();
        if let Phase::Running(followers) = phase {
            // Followers who left need not be told.
            join_all(followers.iter().map(|follower| follower.send(Event::End(end)))).await;
        }
    }

    /// How it ended, if it did.
    pub(super) fn ended(&self) -> Option<End> {
        match self.state().phase {
            Phase::Running(_) => None,
            Phase::Ended(end) => Some(end),
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
    fn leave_out_the_lost(&mut self) {
        let Phase::Running(followers) = &mut self.phase else { return };
        followers.retain(|follower| !follower.is_closed());
        if followers.is_empty() && self.linger.is_some() {
            self.lost = Some(Instant::now());
        }
    }

    /// Until when so much more must wait, if it must.
    fn waits_until(&self, length: usize) -> Option<Instant> {
        let until = self.lost? + self.linger?;
        (!self.kept.has_room(length)).then_some(until)
    }
}

impl Phase {
    fn follow(&mut self) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(WAITING);
        match self {
            Self::Running(followers) => followers.push(sender),
            Self::Ended(end) => {
                let told = sender.try_send(Event::End(*end));
                debug_assert!(told.is_ok(), "an empty channel has room");
            }
        }
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: End = End { exit: Exit::Code(0), timed_out: false };

    fn hub() -> Hub {
        Hub::new(Memory::default())
    }

    async fn publish(hub: &Hub, text: &'static str) {
        hub.publish(Source::Stdout, Bytes::from_static(text.as_bytes())).await;
    }

    fn data(offset: u64, text: &'static str) -> Event {
        Event::Data(Piece { offset, source: Source::Stdout, bytes: Bytes::from_static(text.as_bytes()) })
    }

    #[tokio::test]
    async fn every_follower_gets_everything_from_when_it_came() {
        let hub = hub();
        publish(&hub, "lost").await;
        let mut first = hub.follow();
        publish(&hub, "a").await;
        let mut second = hub.follow();
        publish(&hub, "b").await;
        hub.end(END).await;
        let mut late = hub.follow();
        assert_eq!(first.recv().await, Some(data(4, "a")));
        assert_eq!(first.recv().await, Some(data(5, "b")));
        assert_eq!(first.recv().await, Some(Event::End(END)));
        assert_eq!(first.recv().await, None);
        assert_eq!(second.recv().await, Some(data(5, "b")));
        assert_eq!(late.recv().await, Some(Event::End(END)));
        assert_eq!(late.recv().await, None);
    }

    #[tokio::test]
    async fn what_was_before_is_given_once() {
        let hub = hub();
        publish(&hub, "abc").await;
        let mut replay = hub.replay(Some(1)).unwrap();
        publish(&hub, "d").await;
        assert_eq!((replay.start, replay.pieces.len(), &replay.pieces[0].bytes[..]), (1, 1, &b"bc"[..]));
        assert_eq!(replay.events.recv().await, Some(data(3, "d")));
        assert_eq!(hub.replay(Some(5)).err(), Some(BeyondEnd { from: 5, end: 4 }));
        hub.end(END).await;
        let mut late = hub.replay(Some(0)).unwrap();
        assert_eq!(&late.pieces[0].bytes[..], b"abcd");
        assert_eq!(late.events.recv().await, Some(Event::End(END)));
        hub.forget();
        let forgotten = hub.replay(Some(0)).unwrap();
        assert_eq!((forgotten.start, forgotten.pieces), (4, vec![]));
    }

    #[tokio::test]
    async fn a_lost_follower_is_waited_for_when_more_would_be_forgotten() {
        let hub = hub();
        hub.linger(Duration::from_secs(1000));
        drop(hub.follow());
        let piece = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..3 {
            hub.publish(Source::Stdout, piece.clone()).await;
        }
        {
            let mut blocked = std::pin::pin!(hub.publish(Source::Stdout, piece.clone()));
            assert!(futures::poll!(&mut blocked).is_pending());
            let mut replay = hub.replay(Some(0)).unwrap();
            assert_eq!((replay.start, replay.pieces.len()), (0, 48));
            blocked.await;
            assert!(matches!(replay.events.recv().await, Some(Event::Data(piece)) if piece.offset == 3 << 20));
        }
        assert_eq!(hub.extent().1, 4 << 20);
    }

    #[tokio::test]
    async fn who_does_not_come_back_holds_nobody_for_ever() {
        let hub = hub();
        hub.linger(Duration::from_millis(50));
        drop(hub.follow());
        for _ in 0..20 {
            hub.publish(Source::Stdout, Bytes::from(vec![0; 1 << 20])).await;
        }
        assert_eq!(hub.extent().1, 20 << 20);
    }

    #[tokio::test]
    async fn a_slow_follower_holds_the_command_and_a_gone_one_does_not() {
        let hub = hub();
        let slow = hub.follow();
        for _ in 0..WAITING {
            publish(&hub, "x").await;
        }
        let mut blocked = std::pin::pin!(publish(&hub, "y"));
        assert!(futures::poll!(&mut blocked).is_pending());
        drop(slow);
        blocked.await;
        publish(&hub, "z").await;
    }
}
