//! Leases: what somebody must renew, or it is removed.
//!
//! When one runs out, the commands that were started under it are killed, and then its own command is run, again and
//! again until it succeeds: whoever placed the lease may be gone for good.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use sandboxer_envd::agent::{Lease as WireLease, SetLeaseRequest};
use sandboxer_envd::connectrpc::ConnectError;
use tokio::io::unix::AsyncFd;

use crate::activity::Activity;
use crate::clock::ticks;
use crate::process;
use crate::shared::Shared;

/// How long a lease's command may run.
const PATIENCE: Duration = Duration::from_secs(300);
/// After a first failure, and after many.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// All leases.
#[derive(Debug)]
pub(crate) struct Leases {
    table: Mutex<BTreeMap<String, Lease>>,
    activity: Arc<Activity>,
}

#[derive(Debug)]
struct Lease {
    expire: Vec<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It lasts until then, in nanoseconds since the machine started.
    Held { until: u64 },
    /// It ran out, and is to be ended then.
    Due { at: u64, attempts: u32, fault: String },
    /// It is being ended.
    Ending { attempts: u32 },
}

impl Leases {
    pub(crate) fn new(activity: Arc<Activity>) -> Self {
        Self { table: Mutex::default(), activity }
    }

    /// Whether there is one of that name that has not run out.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.table().get(name).is_some_and(|lease| matches!(lease.state, State::Held { .. }))
    }

    /// Gives one up.
    pub(crate) fn release(&self, name: &str) {
        self.table().remove(name);
        self.activity.changed.notify_waiters();
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.table().is_empty()
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<WireLease> {
        let now = ticks();
        self.table().iter().map(|(name, lease)| lease.describe(name, now)).collect()
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Lease>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When something is next to be done.
    fn next(&self) -> Option<u64> {
        self.table().values().filter_map(Lease::due).min()
    }

    /// Marks what is due as being ended; gives it with its command and the number of the try.
    fn take_due(&self) -> Vec<(String, Vec<String>, u32)> {
        let now = ticks();
        let mut table = self.table();
        let due = table.iter_mut().filter(|(_, lease)| lease.due().is_some_and(|due| due <= now));
        due.map(|(name, lease)| (name.clone(), lease.expire.clone(), lease.begin_end())).collect()
    }

    /// It was ended, or is to be ended again.
    fn ended(&self, name: &str, attempts: u32, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => drop(self.table().remove(name)),
            Err(fault) => {
                tracing::warn!(name, attempts, fault, "a lease could not be ended");
                if let Some(lease) = self.table().get_mut(name) {
                    lease.state = State::Due { at: ticks() + nanoseconds(pause(attempts)), attempts, fault };
                }
            }
        }
        self.activity.changed.notify_waiters();
    }
}

fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl Lease {
    fn due(&self) -> Option<u64> {
        match self.state {
            State::Held { until } => Some(until),
            State::Due { at, .. } => Some(at),
            State::Ending { .. } => None,
        }
    }

    /// Gives the number of the try.
    fn begin_end(&mut self) -> u32 {
        let attempts = match self.state {
            State::Held { .. } => 1,
            State::Due { attempts, .. } | State::Ending { attempts } => attempts + 1,
        };
        self.state = State::Ending { attempts };
        attempts
    }

    fn describe(&self, name: &str, now: u64) -> WireLease {
        let (remaining, attempts, fault) = match &self.state {
            State::Held { until } => (until.saturating_sub(now), 0, None),
            State::Due { attempts, fault, .. } => (0, *attempts, Some(fault.clone())),
            State::Ending { attempts } => (0, *attempts, None),
        };
        WireLease {
            name: name.to_owned(),
            remaining_ms: remaining / 1_000_000,
            expired: !matches!(self.state, State::Held { .. }),
            attempts,
            last_fault: fault,
        }
    }
}

/// Places a lease or renews it. One that ran out stays so.
pub(crate) fn set(shared: &Shared, request: SetLeaseRequest) -> Result<(), ConnectError> {
    if request.name.is_empty() || request.ttl_ms == 0 {
        return Err(ConnectError::invalid_argument("a lease has a name, and lasts at least a millisecond"));
    }
    let until = ticks().saturating_add(request.ttl_ms.saturating_mul(1_000_000));
    let mut table = shared.leases.table();
    if table.get(&request.name).is_some_and(|lease| !matches!(lease.state, State::Held { .. })) {
        return Err(ConnectError::failed_precondition(format!("the lease `{}` has run out", request.name)));
    }
    table.insert(request.name, Lease { expire: request.expire, state: State::Held { until } });
    drop(table);
    shared.activity.changed.notify_waiters();
    Ok(())
}

/// Ends what runs out, for as long as the agent lives.
pub(crate) async fn watch(shared: Arc<Shared>) -> io::Result<()> {
    let timer = Timer::new()?;
    loop {
        // Listens before it looks, so that no change falls between.
        let changed = shared.activity.changed.notified();
        let mut changed = std::pin::pin!(changed);
        changed.as_mut().enable();
        for (name, expire, attempts) in shared.leases.take_due() {
            tokio::spawn(end(Arc::clone(&shared), name, expire, attempts));
        }
        match shared.leases.next() {
            None => changed.await,
            Some(next) => tokio::select! {
                () = changed => {}
                elapsed = timer.wait_until(next) => elapsed?,
            },
        }
    }
}

async fn end(shared: Arc<Shared>, name: String, expire: Vec<String>, attempts: u32) {
    shared.processes.kill_under(&name);
    let outcome = match expire.is_empty() {
        true => Ok(()),
        false => process::run(&shared, expire, format!("lease:{name}"), PATIENCE).await,
    };
    shared.leases.ended(&name, attempts, outcome);
}

/// A clock that goes on while the machine sleeps.
struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        #[allow(unsafe_code, reason = "the safe form is deprecated")]
        // SAFETY: the descriptor is owned by what is registered, and stays open and the same as long as that lives.
        let registered = unsafe { AsyncFd::register_with_interest(timer, tokio::io::Interest::READABLE) };
        registered.map(Self).map_err(|error| error.into_parts().1)
    }

    /// Waits until that time, in nanoseconds since the machine started.
    async fn wait_until(&self, time: u64) -> io::Result<()> {
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

    #[test]
    fn pauses_grow_up_to_a_limit() {
        assert_eq!(pause(1), FIRST_PAUSE);
        assert_eq!(pause(2), 2 * FIRST_PAUSE);
        assert_eq!(pause(30), LONGEST_PAUSE);
    }

    #[tokio::test]
    async fn the_timer_goes_off_when_it_should() {
        let timer = Timer::new().unwrap();
        let before = ticks();
        timer.wait_until(before + 20_000_000).await.unwrap();
        assert!(ticks() >= before + 20_000_000);
        timer.wait_until(before).await.unwrap();
    }
}
