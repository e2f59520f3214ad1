//! What is known of a sandbox.

use crate::{
    CleanupReport, Condition, ConsumerName, ExtensionId, Failure, HostId, IsolationLevel, ProfileId, Reachability,
    SandboxId, SandboxName, State,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A process of this machine whose end is also the sandbox's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tether {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks after boot: with the pid, it names one process for good.
    pub start_ticks: u64,
}

/// A sandbox as `ls`, `show` and every API describe it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SandboxStatus {
    /// Its id.
    pub sandbox_id: SandboxId,
    /// Its nickname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SandboxName>,
    /// Where it stands.
    pub state: State,
    /// What is true beside that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The profile it was made from.
    pub profile: ProfileId,
    /// The extension that made it.
    pub extension: ExtensionId,
    /// Where it was placed.
    pub host: HostId,
    /// Who it is for.
    pub consumer: ConsumerName,
    /// The isolation from the host that its extension declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationLevel>,
    /// Labels of the caller's and the profile's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When it was asked for.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub created_at: Timestamp,
    /// When it became ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Moment>"))]
    pub ready_at: Option<Timestamp>,
    /// When its lease runs out.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub expires_at: Timestamp,
    /// When its record was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Moment>"))]
    pub closed_at: Option<Timestamp>,
    /// How to reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachability: Option<Reachability>,
    /// What went wrong, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the last teardown did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<CleanupReport>,
}
