//! One sandbox, as the store keeps it.

use super::{IllegalStep, Lease, Lifecycle, Step, apply};
use jiff::Timestamp;
use sandboxer_sdk::Intent;
use sandboxer_types::{
    ConsumerName, ExtensionId, Handle, HostId, IsolationLevel, Object, Profile, SandboxId, SandboxName, SshDestination,
    State, Tether,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A process that works on sandboxes: the name of the lock it holds for life.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(pub String);

impl fmt::Display for ProcessId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What is being done to a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// It is being made.
    Create,
    /// It is being removed.
    Destroy,
}

/// What is being done to a sandbox, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What.
    pub kind: OperationKind,
    /// By whom.
    pub by: ProcessId,
}

/// What the writes about a sandbox must survive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// A loss of power.
    #[default]
    PowerLoss,
    /// The end of any process: enough for what ends with the machine.
    ProcessEnd,
}

/// Everything the store knows of one sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub sandbox_id: SandboxId,
    /// Its nickname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SandboxName>,
    /// The profile as it was when the sandbox was asked for.
    pub profile: Profile,
    /// The extension that was chosen.
    pub extension: ExtensionId,
    /// The isolation that extension declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationLevel>,
    /// Where it was placed.
    pub host: HostId,
    /// Where ssh found that host then; absent for this machine. The catalog may know better by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshDestination>,
    /// Who it is for.
    pub consumer: ConsumerName,
    /// Validated inputs, with defaults.
    pub inputs: Object,
    /// Labels of the caller's and the profile's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it became ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// When its record was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// How long it may live.
    pub lease: Lease,
    /// The process with which it also ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tether: Option<Tether>,
    /// The caller's key for repeating a request, and what was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
    /// An attempt of this create ended without a word on whether something exists.
    #[serde(default)]
    pub ambiguous: bool,
    /// What the writes about it must survive.
    #[serde(default)]
    pub durability: Durability,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// What is being done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Counts its changes: a write on what was read before the last of them is refused.
    pub epoch: i64,
}

/// A key under which a create may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// A digest of the request that was first made under it.
    pub request_digest: String,
}

impl Record {
    /// Its state.
    pub const fn state(&self) -> State {
        self.lifecycle.state()
    }

    /// What it was meant to be.
    pub fn intent(&self) -> Intent {
        Intent { profile: self.profile.clone(), inputs: self.inputs.clone() }
    }

    /// The handle to remove it by: what `provision` returned, else the one that is always known.
    pub fn teardown_handle(&self) -> Handle {
        self.lifecycle.handle().cloned().unwrap_or_else(|| Handle::minimal(&self.sandbox_id, &self.host))
    }

    /// Takes one step at `now`; the record is unchanged when the step is illegal.
    pub fn take(&mut self, step: Step, now: Timestamp) -> Result<(), IllegalStep> {
        let next = apply(self.lifecycle.clone(), step)?;
        if next.state() == State::Ready && self.ready_at.is_none() {
            self.ready_at = Some(now);
        }
        if next.state().is_closed() && self.closed_at.is_none() {
            self.closed_at = Some(now);
        }
        self.lifecycle = next;
        Ok(())
    }
}
