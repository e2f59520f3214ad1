//! A program that is an extension, and what it may take.

use crate::GroupList;
use sandboxer_types::{ExtensionId, Lifecycle, Verb};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// A program that speaks the protocol.
#[derive(Debug, Clone)]
pub struct Program {
    /// The manifest's id.
    pub extension: ExtensionId,
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// What to do when it cannot be started.
    pub hint: Option<String>,
    /// Where it runs: the manifest's folder.
    pub folder: PathBuf,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether one process serves many requests.
    pub lifecycle: Lifecycle,
    /// How many calls it takes at once.
    pub concurrency: u32,
    /// The optional verbs that it has.
    pub verbs: BTreeSet<Verb>,
    /// Where each process that is started notes its group, before it is anything else.
    pub groups: Option<GroupList>,
}

/// What extensions may take. The protocol's page states these numbers to authors.
#[derive(Debug, Clone, Copy)]
pub struct HostLimits {
    /// How long a process without a call stays.
    pub idle: Duration,
    /// How long a cancelled call has to answer.
    pub answer: Duration,
    /// How long a process has to end, first when its input has, then after SIGTERM.
    pub end: Duration,
    /// How much memory its own process may hold, in bytes.
    pub memory: u64,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            answer: Duration::from_secs(5),
            end: Duration::from_secs(2),
            memory: 1 << 30,
        }
    }
}
