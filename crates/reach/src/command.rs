//! Commands of a sandbox, as others see them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::ExitStatus;

/// Names a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessSelector {
    /// By its process id inside the sandbox.
    Pid(u32),
    /// By its tag; the latest of that tag.
    Tag(String),
}

/// How somebody who attaches to a command keeps up with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The command waits while its output is not read; and, when the connection breaks, for so long (at most a minute)
    /// before it says more than the sandbox keeps.
    Held {
        /// How long.
        linger: Duration,
    },
    /// The command never waits: what is not read in time is told as a gap.
    Free,
}

/// Whom a signal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalScope {
    /// The command's own process alone.
    Process,
    /// The command's whole process group.
    Group,
}

/// A command that runs, or that ended a while ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandInfo {
    /// Its process id inside the sandbox.
    pub pid: u32,
    /// The name its starter gave it.
    pub tag: Option<String>,
    /// The program and its arguments; of a command that ended, perhaps only their beginning.
    pub argv: Vec<String>,
    /// What its starter added to the environment; empty for a command that ended.
    pub environment: BTreeMap<String, String>,
    /// The working directory its starter asked for.
    pub cwd: Option<String>,
    /// When it was started, by the sandbox's clock.
    pub started: Option<SystemTime>,
    /// How it ended; absent while it runs.
    pub ending: Option<Ending>,
    /// Bytes of output so far.
    pub output: u64,
    /// The offset of the first byte of output that is still kept; `output` when nothing is.
    pub kept_from: u64,
}

/// How a command ended, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub status: ExitStatus,
    /// Whether it was killed because its time was up.
    pub timed_out: bool,
}
