//! Waiting for a time that comes also while the machine sleeps.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// A clock that goes on while the machine sleeps.
pub(super) struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        #[allow(unsafe_code, reason = "the safe form is deprecated")]
        // SAFETY: the descriptor is owned by what is registered, and stays open and the same as long as that lives.
        let registered = unsafe { AsyncFd::register_with_interest(timer, tokio::io::Interest::READABLE) };
        registered.map(Self).map_err(|error| error.into_parts().1)
    }

    /// Waits until that time, in nanoseconds since the machine started.
    pub(super) async fn wait_until(&self, time: u64) -> io::Result<()> {
        let time = Timespec {
            tv_sec: i64::try_from(time / 1_000_000_000).unwrap_or(i64::MAX),
            // Zero in both fields would stop the timer.
            tv_nsec: i64::try_from(time % 1_000_000_000).unwrap_or(0).max(1),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: time };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut [0; 8])?));
            match read {
                Ok(read) => return read.map(drop),
                // Somebody else's wait was over.
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ticks;

    #[tokio::test]
    async fn the_timer_goes_off_when_it_should() {
        let timer = Timer::new().unwrap();
        let before = ticks();
        timer.wait_until(before + 20_000_000).await.unwrap();
        assert!(ticks() >= before + 20_000_000);
        timer.wait_until(before).await.unwrap();
    }
}
