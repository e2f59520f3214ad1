//! Which processes are a sandbox's, and how they end.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::time::Timespec;

use super::Process;
use crate::SANDBOX_VARIABLE;

/// Looked again this often, since a process may start others while it ends.
const TICK: Duration = Duration::from_millis(20);

/// What makes a process the sandbox's.
pub(super) struct Owned<'a> {
    pub(super) sandbox: &'a str,
    pub(super) folders: &'a [PathBuf],
    pub(super) uid: Option<u32>,
}

/// A number may be used again; together with when it began it never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    pid: i32,
    began: u64,
}

/// What is known of one process.
struct Stat {
    identity: Identity,
    parent: i32,
    command: String,
    is_dead: bool,
}

struct Tracked {
    command: String,
    /// Where the kernel gives one out: to wait by.
    handle: Option<OwnedFd>,
    refused: Option<io::Error>,
}

/// The processes of a sandbox, as far as they are known.
pub(super) struct Processes<'a> {
    owned: &'a Owned<'a>,
    variable: Vec<u8>,
    spared: BTreeSet<i32>,
    tracked: BTreeMap<Identity, Tracked>,
}

impl<'a> Processes<'a> {
    pub(super) fn new(owned: &'a Owned<'a>) -> io::Result<Self> {
        let variable = format!("{SANDBOX_VARIABLE}={}", owned.sandbox).into_bytes();
        let mut spared = BTreeSet::from([0, 1]);
        let mut pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        while spared.insert(pid) {
            // An ancestor outside of what can be seen here has no number here.
            pid = stat(pid).map_or(0, |stat| stat.parent);
        }
        Ok(Self { owned, variable, spared, tracked: BTreeMap::new() })
    }

    /// Ends them all: first as a service manager would, then by force.
    pub(super) fn end(&mut self, grace: Duration, until: Instant) -> io::Result<()> {
        let gentle = Instant::now() + grace;
        let mut empty = 0;
        // What started between the looks shows in the next one.
        while empty < 2 && Instant::now() < until {
            let new = self.look()?;
            if new.is_empty() && self.living().is_empty() {
                empty += 1;
                continue;
            }
            empty = 0;
            if Instant::now() < gentle {
                self.signal(new, Signal::TERM);
                self.wait(TICK);
            } else {
                self.force()?;
                self.wait(TICK);
            }
        }
        Ok(())
    }

    /// Stops all of them before it kills any, so that none can start another meanwhile.
    fn force(&mut self) -> io::Result<()> {
        loop {
            let living = self.living();
            self.signal(living, Signal::STOP);
            if self.look()?.is_empty() {
                break;
            }
        }
        let living = self.living();
        self.signal(living, Signal::KILL);
        Ok(())
    }

    /// Those that ended.
    pub(super) fn ended(&self) -> Vec<Process> {
        let dead = self.tracked.iter().filter(|(identity, _)| !lives(**identity));
        dead.map(|(identity, tracked)| Process { pid: identity.pid, command: tracked.command.clone() }).collect()
    }

    /// Those that still live, and why.
    pub(super) fn alive(&self) -> Vec<(Process, String)> {
        let living = self.tracked.iter().filter(|(identity, _)| lives(**identity));
        let told = living.map(|(identity, tracked)| {
            let why = match &tracked.refused {
                Some(error) => format!("cannot be ended: {error}"),
                None => "does not end".to_owned(),
            };
            (Process { pid: identity.pid, command: tracked.command.clone() }, why)
        });
        told.collect()
    }

    fn living(&self) -> Vec<Identity> {
        self.tracked.keys().copied().filter(|identity| lives(*identity)).collect()
    }

    /// Finds what is not known yet.
    fn look(&mut self) -> io::Result<Vec<Identity>> {
        let mut others = Vec::new();
        let mut new = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Some(stat) = stat(pid) else { continue };
            if self.spared.contains(&pid) || stat.is_dead || self.tracked.contains_key(&stat.identity) {
                continue;
            }
            if self.is_owned(pid) { new.push(stat) } else { others.push(stat) }
        }
        let mut found = Vec::new();
        while let Some(stat) = new.pop() {
            found.push(stat.identity);
            self.track(stat);
        }
        // Whoever was started by one of them, whatever became of its environment.
        loop {
            let parents: BTreeSet<i32> =
                self.tracked.keys().filter(|identity| lives(**identity)).map(|identity| identity.pid).collect();
            let (children, rest) = others.into_iter().partition::<Vec<_>, _>(|stat| parents.contains(&stat.parent));
            others = rest;
            if children.is_empty() {
                return Ok(found);
            }
            for stat in children {
                found.push(stat.identity);
                self.track(stat);
            }
        }
    }

    fn track(&mut self, stat: Stat) {
        let handle = Pid::from_raw(stat.identity.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        self.tracked.insert(stat.identity, Tracked { command: stat.command, handle, refused: None });
    }

    fn is_owned(&self, pid: i32) -> bool {
        let path = |name: &str| PathBuf::from(format!("/proc/{pid}/{name}"));
        if let Ok(environment) = std::fs::read(path("environ"))
            && environment.split(|byte| *byte == 0).any(|variable| variable == self.variable)
        {
            return true;
        }
        if self.owned.uid.is_some_and(|uid| user_of(pid) == Some(uid)) {
            return true;
        }
        ["cwd", "root", "exe"]
            .into_iter()
            .any(|name| std::fs::read_link(path(name)).is_ok_and(|link| self.is_inside(&link)))
    }

    fn is_inside(&self, path: &Path) -> bool {
        // As the kernel says it of what was removed already.
        let bytes = path.as_os_str().as_bytes();
        let path = Path::new(OsStr::from_bytes(bytes.strip_suffix(b" (deleted)").unwrap_or(bytes)));
        self.owned
            .folders
            .iter()
            .any(|folder| path.starts_with(folder) || real(folder).is_some_and(|real| path.starts_with(real)))
    }

    fn signal(&mut self, processes: Vec<Identity>, signal: Signal) {
        for identity in processes {
            let Some(tracked) = self.tracked.get_mut(&identity) else { continue };
            let Some(pid) = Pid::from_raw(identity.pid).filter(|_| lives(identity)) else { continue };
            let sent = match &tracked.handle {
                Some(handle) => rustix::process::pidfd_send_signal(handle, signal),
                None => kill_process(pid, signal),
            };
            tracked.refused = sent.err().filter(|error| *error != rustix::io::Errno::SRCH).map(Into::into);
        }
    }

    /// Until one of them ends, or for so long.
    fn wait(&self, limit: Duration) {
        let living = self.tracked.iter().filter(|(identity, _)| lives(**identity));
        let mut handles: Vec<PollFd<'_>> = living
            .filter_map(|(_, tracked)| tracked.handle.as_ref().map(|handle| PollFd::new(handle, PollFlags::IN)))
            .collect();
        let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(limit.subsec_nanos()) };
        // An interruption only makes the next look come sooner.
        rustix::event::poll(&mut handles, Some(&limit)).ok();
    }
}

/// Where the folder really is, should a link lead to it.
fn real(folder: &Path) -> Option<PathBuf> {
    let name = folder.file_name()?;
    Some(folder.parent()?.canonicalize().ok()?.join(name))
}

fn lives(identity: Identity) -> bool {
    stat(identity.pid).is_some_and(|stat| stat.identity == identity && !stat.is_dead)
}

fn user_of(pid: i32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(format!("/proc/{pid}")).ok().map(|status| status.uid())
}

fn stat(pid: i32) -> Option<Stat> {
    parse(pid, &std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The name is between brackets and may have brackets of its own: what is behind the last one counts.
fn parse(pid: i32, text: &[u8]) -> Option<Stat> {
    let (open, close) = (text.iter().position(|byte| *byte == b'(')?, text.iter().rposition(|byte| *byte == b')')?);
    let command = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let identity = Identity { pid, began: words.get(19)?.parse().ok()? };
    let is_dead = matches!(*words.first()?, "Z" | "X" | "x");
    Some(Stat { identity, parent: words.get(1)?.parse().ok()?, command, is_dead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_rest() {
        let line = b"7 (a) R 1 (x) S 5 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1 1";
        let found = parse(7, line).unwrap();
        assert_eq!((found.parent, found.identity.began, found.command.as_str()), (5, 4242, "a) R 1 (x"));
        assert!(!found.is_dead);
        assert!(parse(7, b"7 (x) Z 5").is_none());
        assert!(parse(7, b"").is_none());
    }
}
