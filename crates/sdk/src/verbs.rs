//! Verbs that an extension may offer, each a trait of its own.

use crate::{Call, Provision};
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_types::{
    CleanupReport, Failure, Handle, HostId, MeterPrice, MeterQuote, Object, Profile, Reachability, SandboxId, Snapshot,
    SnapshotKind, TimeSpan,
};
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listed {
    /// The id it bears.
    pub sandbox_id: SandboxId,
    /// Where it is.
    pub host: HostId,
    /// All labels it bears.
    pub labels: BTreeMap<String, String>,
    /// When it was made, when that is known.
    #[cfg_attr(feature = "schema", schemars(with = "Option<sandboxer_types::schema::Moment>"))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = sandboxer_types::schema::words))]
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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusReport {
    /// How it is.
    pub state: ObservedState,
    /// In words.
    #[serde(default)]
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
    /// What `duration` of a sandbox of `profile` on `host` would cost.
    async fn estimate_cost(
        &self,
        call: &Call,
        host: &HostId,
        profile: &Profile,
        inputs: &Object,
        duration: TimeSpan,
    ) -> Result<MeterQuote, Failure>;
}

/// Says what units of its meters cost, without a side effect.
#[async_trait]
pub trait Prices: Send + Sync {
    /// Every meter and its price.
    async fn prices(&self, call: &Call) -> Result<Vec<MeterPrice>, Failure>;
}

/// Keeps what a sandbox is, and makes others from it.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// Keeps the sandbox under an id that the host chose. Idempotent on that.
    async fn snapshot(
        &self,
        call: &Call,
        handle: &Handle,
        snapshot_id: &str,
        kind: SnapshotKind,
    ) -> Result<Snapshot, Failure>;
    /// Makes a sandbox from a snapshot, as `provision` does.
    async fn restore(&self, call: &Call, snapshot_id: &str, request: &Provision) -> Result<Handle, Failure>;
    /// Everything on `host` that was kept for `call.owner`.
    async fn list_snapshots(&self, call: &Call, host: &HostId) -> Result<Vec<Snapshot>, Failure>;
    /// Removes a snapshot, as `teardown` removes a sandbox.
    async fn delete_snapshot(&self, call: &Call, host: &HostId, snapshot_id: &str) -> Result<CleanupReport, Failure>;
}

/// Makes a sandbox from a living one.
#[async_trait]
pub trait Fork: Send + Sync {
    /// Makes it, as `provision` does.
    async fn fork(&self, call: &Call, source: &Handle, request: &Provision) -> Result<Handle, Failure>;
}

/// How to open a byte stream to a sandbox's agent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = sandboxer_types::schema::exclusive))]
#[serde(untagged)]
pub enum Connection {
    /// The standard streams of this command, which is run here.
    Argv {
        /// Its words.
        argv: Vec<String>,
    },
    /// A unix socket of this machine.
    Socket {
        /// Its absolute path.
        socket: String,
    },
    /// A WebSocket.
    Url {
        /// Its address.
        url: String,
        /// Headers to send with the request.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
}

/// Says how to open a byte stream to a sandbox's agent.
#[async_trait]
pub trait Connect: Send + Sync {
    /// A way to it. May be asked again for every stream.
    async fn connect(&self, call: &Call, handle: &Handle) -> Result<Connection, Failure>;
}
