//! What was kept of a sandbox.

use crate::SnapshotKind;
use serde::{Deserialize, Serialize};

/// What an extension kept of a sandbox. Outlives its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// The id that the host chose for it.
    pub snapshot_id: String,
    /// What was really kept.
    pub kind: SnapshotKind,
    /// How large it is, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Where it lives, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}
