//! How long a sandbox may live, by a clock that does not jump.

use jiff::Timestamp;
use sandboxer_sdk::{BootTime, Clock};
use sandboxer_types::TimeSpan;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How much longer than the store's a machine's lease lasts: a tenth, within these. Whoever has the record comes first, and
/// has some time for it.
const GRACE: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(300);

/// For how long a machine is to hold the lease of a sandbox that has so long to live.
pub fn machine_span(remaining: Duration) -> Duration {
    remaining.saturating_add((remaining / 10).clamp(*GRACE.start(), *GRACE.end()))
}

/// When a sandbox must be gone: by the time of day, for people, and by the time since boot, for decisions, so that
/// neither a corrected clock nor a suspended machine moves it. After a reboot the time of day decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// By the time of day.
    pub expires_at: Timestamp,
    /// By the time since boot.
    pub boot_deadline: BootTime,
}

impl Lease {
    /// A lease that runs out `span` from now.
    pub fn from_now(clock: &dyn Clock, span: TimeSpan) -> Self {
        let now = clock.now();
        let mut boot_deadline = clock.boot_time();
        boot_deadline.elapsed += span.as_duration();
        Self { expires_at: now.checked_add(span.as_duration()).unwrap_or(Timestamp::MAX), boot_deadline }
    }

    /// Whether it has run out.
    pub fn has_expired(&self, clock: &dyn Clock) -> bool {
        let boot = clock.boot_time();
        if !boot.boot.is_empty() && boot.boot == self.boot_deadline.boot {
            boot.elapsed >= self.boot_deadline.elapsed
        } else {
            clock.now() >= self.expires_at
        }
    }

    /// What is left of it, at least zero.
    pub fn remaining(&self, clock: &dyn Clock) -> TimeSpan {
        let boot = clock.boot_time();
        if !boot.boot.is_empty() && boot.boot == self.boot_deadline.boot {
            self.boot_deadline.elapsed.saturating_sub(boot.elapsed).into()
        } else {
            let left = self.expires_at.duration_since(clock.now());
            std::time::Duration::try_from(left).unwrap_or_default().into()
        }
    }
}
