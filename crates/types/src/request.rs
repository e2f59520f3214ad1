//! What a caller asks for.

use crate::{ConsumerName, HostId, Object, ProfileId, SandboxId, SandboxName, Tether, TimeSpan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A request for one sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SandboxCreateRequest {
    /// What it should be.
    pub profile: ProfileId,
    /// Inputs of the extension, within what the profile allows.
    #[serde(default)]
    pub inputs: Object,
    /// Who it is for.
    pub consumer: ConsumerName,
    /// How long it may live; the profile's default otherwise.
    #[serde(default)]
    pub ttl: Option<TimeSpan>,
    /// A nickname, unique among the live ones.
    #[serde(default)]
    pub name: Option<SandboxName>,
    /// Where it should be placed.
    #[serde(default)]
    pub host: Option<HostId>,
    /// Labels of the caller's own.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Repeating a request under the same key finds the first one's sandbox.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// The id to give it, instead of a fresh one.
    #[serde(default)]
    pub sandbox_id: Option<SandboxId>,
    /// The process with which it also ends.
    #[serde(default)]
    pub tether: Option<Tether>,
}

impl SandboxCreateRequest {
    /// A request for `profile` on behalf of `consumer`, with nothing else said.
    pub fn new(profile: ProfileId, consumer: ConsumerName) -> Self {
        Self {
            profile,
            inputs: Object::new(),
            consumer,
            ttl: None,
            name: None,
            host: None,
            labels: BTreeMap::new(),
            idempotency_key: None,
            sandbox_id: None,
            tether: None,
        }
    }
}
