//! A clock that is turned by hand.

use jiff::{SignedDuration, Timestamp};
use sandboxer_sdk::{BootTime, Clock};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Stands still until it is turned.
#[derive(Debug)]
pub struct HandClock {
    start: Timestamp,
    elapsed: Mutex<Duration>,
}

impl Default for HandClock {
    fn default() -> Self {
        Self { start: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000), elapsed: Mutex::default() }
    }
}

impl HandClock {
    /// Turns it forward.
    pub fn advance(&self, by: Duration) {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.start + self.elapsed()
    }

    fn boot_time(&self) -> BootTime {
        BootTime { boot: "test".to_owned(), elapsed: self.elapsed() }
    }
}
