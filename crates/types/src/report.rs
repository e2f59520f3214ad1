//! What a teardown did.

use serde::{Deserialize, Serialize};

/// The answer to `teardown`. A record leaves `ls` only when `complete` is true.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CleanupReport {
    /// What was removed just now.
    #[serde(default)]
    pub removed: Vec<String>,
    /// What was already gone, each with how that was checked.
    #[serde(default)]
    pub already_absent: Vec<String>,
    /// What was left on purpose, such as the machine in attach mode.
    #[serde(default)]
    pub retained: Vec<String>,
    /// What could not be removed, and why.
    #[serde(default)]
    pub errors: Vec<String>,
    /// Verified: nothing that was ours is left.
    pub complete: bool,
}
