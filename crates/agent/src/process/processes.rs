//! All commands: those that run, and those that ended a while ago.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::command::SharedCommand;
use super::kept::Memory;
use super::limits::Limits;
use super::plan::Common;
use super::reaper::{Reaper, Scope};
use crate::defaults::Defaults;

/// So many ended commands are remembered, for clients who ask late.
const REMEMBERED: usize = 1024;
/// So much of their output is kept in all, in bytes.
const KEPT_OF_ENDED: usize = 8 << 20;
/// After so many commands, memory is given back when none is left.
const BURST: usize = 64;

/// What all commands have in common.
#[derive(Debug, Default)]
pub(crate) struct CommandSettings {
    pub(crate) limits: Limits,
    pub(crate) cgroups: Arc<[RawFd]>,
    pub(crate) no_new_privileges: bool,
    /// Whether commands give up the right to trace processes that are not their own.
    pub(crate) no_tracing: bool,
    /// What commands without an input read; where it lacks, they get a pipe without a writer.
    pub(crate) null: Option<OwnedFd>,
}

/// All commands of this agent.
pub(crate) struct Processes {
    settings: CommandSettings,
    pub(super) reaper: Arc<Reaper>,
    memory: Memory,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// Those that run, and those that have exited but whose followers were not told all of it, by the order of their
    /// start.
    known: BTreeMap<u64, SharedCommand>,
    started: u64,
    /// Latest last.
    ended: VecDeque<SharedCommand>,
    since_idle: usize,
}

/// How a request names a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selector {
    Pid(u32),
    Tag(String),
}

impl Selector {
    fn selects(&self, command: &SharedCommand) -> bool {
        match self {
            Self::Pid(pid) => command.pid == *pid,
            Self::Tag(tag) => command.tag.as_ref() == Some(tag),
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pid(pid) => write!(formatter, "process with pid {pid} not found"),
            Self::Tag(tag) => write!(formatter, "process with tag {tag} not found"),
        }
    }
}

impl Table {
    fn running(&self) -> impl DoubleEndedIterator<Item = &SharedCommand> {
        self.known.values().filter(|command| command.exited().is_none())
    }

    /// Forgets the commands that ended first, and of more of them what they said.
    fn forget(&mut self) {
        if self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
        let mut kept = 0;
        for command in self.ended.iter().rev() {
            kept += command.hub.size();
            if kept > KEPT_OF_ENDED {
                command.hub.forget();
            }
        }
    }
}

impl Processes {
    pub(crate) fn new(settings: CommandSettings, reaper: Arc<Reaper>) -> Self {
        Self { settings, reaper, memory: Memory::default(), table: Mutex::default() }
    }

    pub(super) fn common<'a>(&'a self, defaults: &'a Defaults) -> Common<'a> {
        Common {
            workdir: defaults.workdir.as_deref(),
            environment: &defaults.environment,
            limits: &self.settings.limits,
            cgroups: &self.settings.cgroups,
            no_new_privileges: self.settings.no_new_privileges,
            no_tracing: self.settings.no_tracing,
        }
    }

    pub(super) fn null(&self) -> Option<BorrowedFd<'_>> {
        self.settings.null.as_ref().map(|null| null.as_fd())
    }

    /// Takes a command that runs; gives the key to [`end`](Self::end) it by.
    pub(super) fn add(&self, command: SharedCommand) -> u64 {
        let mut table = self.table();
        table.started += 1;
        let key = table.started;
        table.known.insert(key, command);
        key
    }

    /// Moves a command to those that ended. Whether it was the last of a burst.
    pub(super) fn end(&self, key: u64) -> bool {
        let mut table = self.table();
        if let Some(command) = table.known.remove(&key) {
            table.ended.push_back(command);
        }
        table.forget();
        table.since_idle += 1;
        let give_back = table.known.is_empty() && table.since_idle >= BURST;
        if give_back {
            table.since_idle = 0;
        }
        give_back
    }

    /// Whether none runs, and none is still to be told of.
    pub(crate) fn none_runs(&self) -> bool {
        self.table().known.is_empty()
    }

    /// Whether anything runs that commands have left, as far as the agent has adopted it.
    pub(crate) fn has_orphans(&self) -> bool {
        self.reaper.has_orphans()
    }

    /// Kills the groups of all commands that run under a lease.
    pub(crate) fn kill_under(&self, lease: &str) {
        for command in self.running().iter().filter(|command| command.lease.as_deref() == Some(lease)) {
            if let Err(error) = self.reaper.signal(command.pid, libc::SIGKILL, Scope::Group) {
                tracing::debug!(%error, pid = command.pid, "a command under a lease had ended");
            }
        }
    }

    /// What all commands keep of their output.
    pub(super) fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// All commands that are known, by the order of their start.
    pub(super) fn all(&self) -> Vec<SharedCommand> {
        let table = self.table();
        let mut all: Vec<SharedCommand> = table.ended.iter().chain(table.known.values()).cloned().collect();
        all.sort_by_key(|command| (command.started.seconds, command.started.nanos));
        all
    }

    pub(super) fn running(&self) -> Vec<SharedCommand> {
        self.table().running().cloned().collect()
    }

    /// The latest running command of that name.
    pub(super) fn find_running(&self, selector: &Selector) -> Option<SharedCommand> {
        self.table().running().rev().find(|command| selector.selects(command)).cloned()
    }

    /// The latest command of that name, running ones first.
    pub(super) fn find(&self, selector: &Selector) -> Option<SharedCommand> {
        let table = self.table();
        let mut all = table.running().rev().chain(table.known.values().rev()).chain(table.ended.iter().rev());
        all.find(|command| selector.selects(command)).cloned()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
