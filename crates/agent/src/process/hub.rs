//! Who follows a command.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::mpsc;

use super::status::Exit;

/// Pieces that wait for one follower. A follower who is connected but does not read slows the command down; without
/// followers its output is thrown away.
const WAITING: usize = 4;

/// Where output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Stdout,
    Stderr,
    Terminal,
}

/// How a command ended, and whether because its time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) exit: Exit,
    pub(super) timed_out: bool,
}

/// What followers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Data(Source, Bytes),
    End(End),
}

/// Passes a command's events to its followers.
#[derive(Debug, Default)]
pub(super) struct Hub {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// The command runs, with these followers.
    Running(Vec<mpsc::Sender<Event>>),
    /// It ended; who comes now is told so at once.
    Ended(End),
}

impl Default for State {
    fn default() -> Self {
        Self::Running(Vec::new())
    }
}

impl Hub {
    /// Follows from now on.
    pub(super) fn follow(&self) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(WAITING);
        match &mut *self.state() {
            State::Running(followers) => followers.push(sender),
            State::Ended(end) => {
                let told = sender.try_send(Event::End(*end));
                debug_assert!(told.is_ok(), "an empty channel has room");
            }
        }
        receiver
    }

    /// Tells every follower, waiting for the slowest.
    pub(super) async fn publish(&self, event: Event) {
        let followers = match &*self.state() {
            State::Running(followers) => followers.clone(),
            State::Ended(_) => return,
        };
        let told = join_all(followers.iter().map(|follower| follower.send(event.clone()))).await;
        if told.iter().any(Result::is_err)
            && let State::Running(followers) = &mut *self.state()
        {
            followers.retain(|follower| !follower.is_closed());
        }
    }

    /// The last event.
    pub(super) async fn end(&self, end: End) {
        let state = std::mem::replace(&mut *self.state(), State::Ended(end));
        if let State::Running(followers) = state {
            // Followers who left need not be told.
            join_all(followers.iter().map(|follower| follower.send(Event::End(end)))).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &'static str) -> Event {
        Event::Data(Source::Stdout, Bytes::from_static(text.as_bytes()))
    }

    const END: End = End { exit: Exit::Code(0), timed_out: false };

    #[tokio::test]
    async fn every_follower_gets_everything_from_when_it_came() {
        let hub = Hub::default();
        hub.publish(data("lost")).await;
        let mut first = hub.follow();
        hub.publish(data("a")).await;
        let mut second = hub.follow();
        hub.publish(data("b")).await;
        hub.end(END).await;
        let mut late = hub.follow();
        assert_eq!(first.recv().await, Some(data("a")));
        assert_eq!(first.recv().await, Some(data("b")));
        assert_eq!(first.recv().await, Some(Event::End(END)));
        assert_eq!(first.recv().await, None);
        assert_eq!(second.recv().await, Some(data("b")));
        assert_eq!(late.recv().await, Some(Event::End(END)));
        assert_eq!(late.recv().await, None);
    }

    #[tokio::test]
    async fn a_slow_follower_holds_the_command_and_a_gone_one_does_not() {
        let hub = Hub::default();
        let slow = hub.follow();
        for _ in 0..WAITING {
            hub.publish(data("x")).await;
        }
        let mut blocked = std::pin::pin!(hub.publish(data("y")));
        assert!(futures::poll!(&mut blocked).is_pending());
        drop(slow);
        blocked.await;
        hub.publish(data("z")).await;
    }
}
