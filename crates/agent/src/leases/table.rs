//! The leases and their states.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sandboxer_envd::agent::{Lease as WireLease, SetLeaseRequest};
use sandboxer_envd::connectrpc::ConnectError;

use crate::activity::Activity;
use crate::clock::ticks;

/// After a first failure, and after many.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// So many leases there are at most.
const MOST: usize = 1000;
/// Of a lease's name, in bytes.
const LONGEST_NAME: usize = 256;
/// Of a lease's command, in bytes and in words.
const LONGEST_COMMAND: usize = 64 * 1024;
const MOST_WORDS: usize = 1024;

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

/// A lease that is to be ended.
pub(super) struct Due {
    pub(super) name: String,
    pub(super) expire: Vec<String>,
    /// The number of the try.
    pub(super) attempts: u32,
}

impl Leases {
    pub(crate) fn new(activity: Arc<Activity>) -> Self {
        Self { table: Mutex::default(), activity }
    }

    /// Whether there is one of that name that has not run out.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.table().get(name).is_some_and(|lease| matches!(lease.state, State::Held { .. }))
    }

    /// Places a lease or renews it. One that ran out stays so.
    pub(crate) fn set(&self, request: SetLeaseRequest) -> Result<(), ConnectError> {
        check(&request)?;
        let until = ticks().saturating_add(request.ttl_ms.saturating_mul(1_000_000));
        let mut table = self.table();
        if table.get(&request.name).is_some_and(|lease| !matches!(lease.state, State::Held { .. })) {
            return Err(ConnectError::failed_precondition(format!("the lease `{}` has run out", request.name)));
        }
        if table.len() >= MOST && !table.contains_key(&request.name) {
            return Err(ConnectError::resource_exhausted(format!("there are {MOST} leases already")));
        }
        table.insert(request.name, Lease { expire: request.expire, state: State::Held { until } });
        drop(table);
        self.activity.changed.notify_waiters();
        Ok(())
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
    pub(super) fn next(&self) -> Option<u64> {
        self.table().values().filter_map(Lease::due).min()
    }

    /// Marks what is due as being ended.
    pub(super) fn take_due(&self) -> Vec<Due> {
        let now = ticks();
        let mut table = self.table();
        let due = table.iter_mut().filter(|(_, lease)| lease.due().is_some_and(|due| due <= now));
        let begin = |(name, lease): (&String, &mut Lease)| Due {
            name: name.clone(),
            expire: lease.expire.clone(),
            attempts: lease.begin_end(),
        };
        due.map(begin).collect()
    }

    /// It was ended, or is to be ended again.
    pub(super) fn ended(&self, name: &str, attempts: u32, outcome: Result<(), String>) {
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

fn check(request: &SetLeaseRequest) -> Result<(), ConnectError> {
    if request.name.is_empty() || request.ttl_ms == 0 {
        return Err(ConnectError::invalid_argument("a lease has a name, and lasts at least a millisecond"));
    }
    if request.name.len() > LONGEST_NAME {
        return Err(ConnectError::invalid_argument(format!("a lease's name has at most {LONGEST_NAME} bytes")));
    }
    let length: usize = request.expire.iter().map(String::len).sum();
    if length > LONGEST_COMMAND || request.expire.len() > MOST_WORDS {
        let limits = format!("{LONGEST_COMMAND} bytes in {MOST_WORDS} words");
        return Err(ConnectError::invalid_argument(format!("a lease's command has at most {limits}")));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use sandboxer_envd::connectrpc::ErrorCode;

    use super::*;

    fn set(leases: &Leases, name: String, expire: Vec<String>) -> Result<(), ErrorCode> {
        let request = SetLeaseRequest { name, ttl_ms: 60_000, expire };
        leases.set(request).map_err(|error| error.code)
    }

    #[test]
    fn a_lease_is_of_limited_size() {
        let leases = Leases::new(Arc::default());
        let set = |name: usize, expire: Vec<String>| set(&leases, "n".repeat(name), expire);
        assert_eq!(set(LONGEST_NAME, vec!["x".repeat(LONGEST_COMMAND)]), Ok(()));
        assert_eq!(set(LONGEST_NAME + 1, vec![]), Err(ErrorCode::InvalidArgument));
        assert_eq!(set(1, vec!["x".repeat(LONGEST_COMMAND), "x".to_owned()]), Err(ErrorCode::InvalidArgument));
        assert_eq!(set(1, vec![String::new(); MOST_WORDS + 1]), Err(ErrorCode::InvalidArgument));
        assert_eq!(leases.list().len(), 1);
    }

    #[test]
    fn there_are_so_many_leases_and_each_can_be_renewed() {
        let leases = Leases::new(Arc::default());
        for number in 0..MOST {
            assert_eq!(set(&leases, number.to_string(), vec![]), Ok(()));
        }
        assert_eq!(set(&leases, "more".to_owned(), vec![]), Err(ErrorCode::ResourceExhausted));
        assert_eq!(set(&leases, "0".to_owned(), vec![]), Ok(()));
        leases.release("0");
        assert_eq!(set(&leases, "more".to_owned(), vec![]), Ok(()));
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        assert_eq!(pause(1), FIRST_PAUSE);
        assert_eq!(pause(2), 2 * FIRST_PAUSE);
        assert_eq!(pause(30), LONGEST_PAUSE);
    }
}
