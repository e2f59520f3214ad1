//! What is written down in a sandbox's journal: a line of JSON for each record, of which the last of its kind counts.

use super::process::ProcessName;
use jiff::Timestamp;
use sandboxer_types::{HostId, OwnerId, SandboxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Whose a sandbox is and what it was asked to be. Written before anything else is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IntentRecord {
    /// The sandbox's id, which is also its folder's name.
    pub(crate) sandbox_id: SandboxId,
    /// Whose it is.
    pub(crate) owner: OwnerId,
    /// The machine it was asked for on, which is always this one.
    pub(crate) host: HostId,
    /// Every label it bears.
    pub(crate) labels: BTreeMap<String, String>,
    /// When it was asked for.
    pub(crate) created_at: Timestamp,
    /// What it was asked to be, as a digest: inputs may hold a password.
    pub(crate) digest: String,
}

/// Which process supervises, and what it is about to make outside the folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SupervisorRecord {
    /// The supervisor.
    pub(crate) process: ProcessName,
    /// The cgroups of the sandbox, innermost first.
    pub(crate) cgroups: Vec<PathBuf>,
    /// Limits that were asked for and are not in force.
    pub(crate) limits_unenforced: Vec<String>,
}

/// One line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// Whose it is, and what it was asked to be.
    Intent(IntentRecord),
    /// Who supervises it.
    Supervisor(SupervisorRecord),
    /// Its first process.
    Init(ProcessName),
}

/// All that was written down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    /// Whose it is, and what it was asked to be.
    pub(crate) intent: Option<IntentRecord>,
    /// Who supervises it.
    pub(crate) supervisor: Option<SupervisorRecord>,
    /// Its first process.
    pub(crate) init: Option<ProcessName>,
}

impl Journal {
    /// Reads it. A line that was not written to its end says nothing.
    pub(crate) fn parse(text: &str) -> Self {
        let mut journal = Self::default();
        for record in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            match record {
                Record::Intent(intent) => journal.intent = Some(intent),
                Record::Supervisor(supervisor) => journal.supervisor = Some(supervisor),
                Record::Init(init) => journal.init = Some(init),
            }
        }
        journal
    }
}
