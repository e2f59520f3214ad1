//! Waiting for a condition, never for a while.

use rustix::event::{PollFd, PollFlags};
use rustix::fd::OwnedFd;
use rustix::time::Timespec;
use std::time::{Duration, Instant};

/// How long a condition may take that is sure to come. Only a test that fails waits that long.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at that cannot be polled by descriptor.
const INTERVAL: Duration = Duration::from_millis(5);

/// Looks until there is an answer. Panics with `what` when none comes.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_or(PATIENCE, look).unwrap_or_else(|| panic!("it did not come to this: {what}"))
}

/// Looks until there is an answer, or until that time is over.
pub fn until_or<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let answer = look();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        pause(INTERVAL);
    }
}

/// Whether a process ends within that time, by a handle on it.
pub fn ends_within(process: &OwnedFd, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if poll(&mut [PollFd::new(process, PollFlags::IN)], deadline.saturating_duration_since(Instant::now())) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
    }
}

/// Waits for the end of a process.
#[track_caller]
pub(crate) fn until_ended(process: &OwnedFd) {
    assert!(ends_within(process, PATIENCE), "a process does not end");
}

/// Lets time pass where that itself is wanted: a slow link, the next look.
pub(crate) fn pause(time: Duration) {
    poll(&mut [], time);
}

fn poll(descriptors: &mut [PollFd<'_>], limit: Duration) -> bool {
    let limit = Timespec {
        tv_sec: i64::try_from(limit.as_secs()).expect("a short time"),
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    match rustix::event::poll(descriptors, Some(&limit)) {
        Ok(ready) => ready > 0,
        Err(rustix::io::Errno::INTR) => false,
        Err(error) => panic!("cannot poll: {error}"),
    }
}
