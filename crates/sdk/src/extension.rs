//! The three methods every extension has.

use crate::Call;
use crate::verbs::{
    Connect, EstimateCost, Extend, Fork, List, Pause, Prices, Recover, Snapshots, StatusVerb, Validate,
};
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_types::{
    CleanupReport, Failure, Handle, HostId, Object, Profile, Reachability, SandboxId, Tether, TimeSpan,
};

/// A request to make one sandbox.
#[derive(Debug, Clone)]
pub struct Provision {
    /// The name to make it by: whatever is created bears it.
    pub sandbox_id: SandboxId,
    /// Where to make it.
    pub host: HostId,
    /// What it should be.
    pub profile: Profile,
    /// Validated inputs, with defaults.
    pub inputs: Object,
    /// When it must be gone.
    pub expires_at: Timestamp,
    /// The same from now, since clocks differ.
    pub ttl: TimeSpan,
    /// The process with which it also ends.
    pub tether: Option<Tether>,
    /// What an earlier attempt checkpointed.
    pub draft: Option<Object>,
}

/// What a sandbox was meant to be: of use to verbs whose handle was lost, or says too little.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Intent {
    /// Its profile.
    pub profile: Profile,
    /// Its inputs.
    pub inputs: Object,
}

/// Why a sandbox is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = sandboxer_types::schema::words))]
#[serde(rename_all = "snake_case")]
pub enum TeardownReason {
    /// Somebody asked.
    Requested,
    /// Its lease ran out.
    Expired,
    /// Its create failed.
    CreateFailed,
    /// Its create was cancelled.
    Cancelled,
    /// The process that made it, or that it was made for, is gone.
    Abandoned,
    /// It has no record.
    Orphan,
}

/// A request to remove one sandbox. Must work with the minimal handle: `{sandbox_id, host}`.
#[derive(Debug, Clone)]
pub struct Teardown {
    /// Which.
    pub sandbox_id: SandboxId,
    /// Where.
    pub host: HostId,
    /// What `provision` returned, or the minimal handle when that was lost.
    pub handle: Handle,
    /// Why.
    pub reason: TeardownReason,
}

/// A backend of sand-boxer.
///
/// Every method may be called again, in another process, after a crash at any instant. An error says whether something
/// may have been left behind ([`Failure::residue`]); silence about it counts as `unknown`.
#[async_trait]
pub trait SandboxExtension: Send + Sync {
    /// Makes a sandbox. Idempotent on `sandbox_id`; other inputs under the same id are a `conflict`.
    async fn provision(&self, call: &Call, request: &Provision) -> Result<Handle, Failure>;

    /// Returns how to reach it, once it can be used. Repeatable, without side effects.
    async fn wait_ready(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure>;

    /// Removes it and verifies that it is gone. Idempotent; `complete` is claimed only for what was checked.
    async fn teardown(&self, call: &Call, request: &Teardown) -> Result<CleanupReport, Failure>;

    /// Whether everything it makes ends when this machine loses its power. Records of such things need not survive that
    /// themselves, and are written faster. Wrong for whatever lives elsewhere, or is billed.
    fn ends_with_this_machine(&self) -> bool {
        false
    }

    /// Checks inputs beyond what a schema can say.
    fn validate(&self) -> Option<&dyn Validate> {
        None
    }

    /// Looks up what a lost `provision` made.
    fn recover(&self) -> Option<&dyn Recover> {
        None
    }

    /// Lists what exists with our labels.
    fn list(&self) -> Option<&dyn List> {
        None
    }

    /// Says how a sandbox is now.
    fn status(&self) -> Option<&dyn StatusVerb> {
        None
    }

    /// Moves the backend's own time-out.
    fn extend(&self) -> Option<&dyn Extend> {
        None
    }

    /// Stops a sandbox and keeps its state.
    fn pause(&self) -> Option<&dyn Pause> {
        None
    }

    /// Says what a duration would cost.
    fn estimate_cost(&self) -> Option<&dyn EstimateCost> {
        None
    }

    /// Says what units of its meters cost.
    fn prices(&self) -> Option<&dyn Prices> {
        None
    }

    /// Keeps what a sandbox is.
    fn snapshots(&self) -> Option<&dyn Snapshots> {
        None
    }

    /// Makes a sandbox from a living one.
    fn fork(&self) -> Option<&dyn Fork> {
        None
    }

    /// Says how to open a byte stream to a sandbox's agent.
    fn connect(&self) -> Option<&dyn Connect> {
        None
    }

    /// Its own version, as `describe` tells it.
    fn version(&self) -> Option<&str> {
        None
    }
}
