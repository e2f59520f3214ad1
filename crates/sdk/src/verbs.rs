//! Verbs that an extension may offer, each a trait of its own.

use crate::{Call, Provision};
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_types::{Failure, Handle, HostId, MeterQuote, Object, Profile, Reachability, SandboxId, TimeSpan};
use std::collections::BTreeMap;

/// Checks inputs beyond what a schema can say, without a side effect.
#[async_trait]
pub trait Validate: Send + Sync {
    /// The inputs with defaults, or what is wrong with each.
    async fn validate(&self, call: &Call, request: &Provision) -> Result<Object, Failure>;
}

/// What became of a lost `provision`.
#[derive(Debug, Clone, PartialEq)]
pub enum Recovered {
    /// Nothing was made, and nothing will be.
    Absent,
    /// It is still being made.
    InProgress,
    /// It exists.
    Present(Handle),
}

/// Looks up what a lost `provision` made. Read-only.
#[async_trait]
pub trait Recover: Send + Sync {
    /// What is there under this id.
    async fn recover(&self, call: &Call, host: &HostId, draft: Option<&Object>) -> Result<Recovered, Failure>;
}

/// Something that exists with our labels.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Listed {
    /// The id it bears.
    pub sandbox_id: SandboxId,
    /// Where it is.
    pub host: HostId,
    /// All labels it bears.
    pub labels: BTreeMap<String, String>,
    /// When it was made, when that is known.
    pub created_at: Option<Timestamp>,
}

/// Lists what exists with the caller's owner label. Read-only: the host decides what to remove.
#[async_trait]
pub trait List: Send + Sync {
    /// Everything on `host` that bears `call.owner`.
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure>;
}

/// How a sandbox is, looked at just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedState {
    /// It runs.
    Running,
    /// It is paused.
    Paused,
    /// It is there and does not run.
    Stopped,
    /// Something is being done to it.
    Busy,
    /// Nothing is there.
    Absent,
    /// It is broken.
    Error,
}

/// The answer to `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// How it is.
    pub state: ObservedState,
    /// In words.
    pub detail: String,
}

/// Says how a sandbox is now. Read-only.
#[async_trait]
pub trait StatusVerb: Send + Sync {
    /// How it is.
    async fn status(&self, call: &Call, handle: &Handle) -> Result<StatusReport, Failure>;
}

/// Moves the backend's own time-out.
#[async_trait]
pub trait Extend: Send + Sync {
    /// Lets the sandbox live `ttl` from now. Returns when it will end.
    async fn extend(&self, call: &Call, handle: &Handle, ttl: TimeSpan) -> Result<Timestamp, Failure>;
}

/// Stops a sandbox and keeps its state.
#[async_trait]
pub trait Pause: Send + Sync {
    /// Stops it. Idempotent.
    async fn pause(&self, call: &Call, handle: &Handle) -> Result<(), Failure>;
    /// Lets it go on. Idempotent.
    async fn resume(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure>;
}

/// Says what a duration would cost, without a side effect.
#[async_trait]
pub trait EstimateCost: Send + Sync {
    /// What `duration` of a sandbox of `profile` would cost.
    async fn estimate_cost(
        &self,
        call: &Call,
        profile: &Profile,
        inputs: &Object,
        duration: TimeSpan,
    ) -> Result<MeterQuote, Failure>;
}
