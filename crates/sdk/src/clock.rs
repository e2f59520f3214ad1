//! Time and fresh ids, handed in so that tests can turn them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use ulid::Ulid;

/// A point on the clock that counts from boot, sleep included, and never jumps. Two compare only within one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootTime {
    /// Which boot of which machine.
    pub boot: String,
    /// How long after it.
    pub elapsed: Duration,
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// The time of day, for records that people read.
    fn now(&self) -> Timestamp;
    /// The clock that never jumps, for leases.
    fn boot_time(&self) -> BootTime;
}

/// Where fresh ids come from.
pub trait Ids: Send + Sync {
    /// One that was never given before.
    fn fresh(&self) -> Ulid;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the clock is read, behind `Clock`")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn boot_time(&self) -> BootTime {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
        // Without the file (no /proc) every process counts as a boot of its own, and wall time decides.
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        BootTime { boot: boot.trim().to_owned(), elapsed: Duration::new(seconds, nanoseconds) }
    }
}

/// Ids of the time they are made at and randomness of the machine's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn fresh(&self) -> Ulid {
        Ulid::generate()
    }
}
