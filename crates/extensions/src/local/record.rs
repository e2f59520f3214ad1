//! What is written down in a sandbox's folder.

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
