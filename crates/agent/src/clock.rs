//! What time it is. Inside a sandbox nobody hands a clock in.

use rustix::time::{ClockId, clock_gettime};
use sandboxer_envd::Timestamp;

/// The time of day.
pub(crate) fn now() -> Timestamp {
    let now = clock_gettime(ClockId::Realtime);
    Timestamp { seconds: now.tv_sec, nanos: i32::try_from(now.tv_nsec).unwrap_or(0), ..Timestamp::default() }
}

/// Nanoseconds since the machine started, while it slept too.
pub(crate) fn ticks() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}
