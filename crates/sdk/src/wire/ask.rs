//! What can be asked of an extension, verb by verb.

use super::PROTOCOL;
use super::answer::{
    Connected, Described, Done, Estimated, Expiring, Found, Made, Page, Priced, Reached, Removed, SnapshotsPage,
    Snapshotted, Validated,
};
use super::method::Method;
use crate::{Call, Intent, Provision, Teardown, TeardownReason};
use jiff::Timestamp;
use sandboxer_types::{
    ExtensionId, Handle, HostId, Object, OwnerId, Profile, SandboxId, SnapshotKind, SshDestination, Tether, TimeSpan,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// About the call itself; every request has it as `_meta`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Meta {
    /// The version of the protocol.
    pub protocol: u32,
    /// The manifest's id.
    pub ext: ExtensionId,
    /// Which state directory asks.
    pub owner: OwnerId,
    /// Where ssh finds the host that the call is about; absent for the machine that asks, and to `describe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = r"^[^\s-]\S*$")))]
    pub ssh: Option<SshDestination>,
    /// Which call this is; also the request's `id`.
    pub call: String,
    /// How often it was sent, from 1.
    pub attempt: u32,
    /// How many milliseconds it has, from when it is read.
    pub deadline_ms: u64,
}

/// What every request brings along, whatever it asks. To `describe`, all but the first member is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Surroundings {
    /// About the call itself.
    #[serde(rename = "_meta")]
    pub meta: Meta,
    /// The sandbox it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_id: Option<SandboxId>,
    /// What that was meant to be, where it exists and this is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The manifest's settings.
    #[serde(default)]
    pub config: Object,
    /// The secrets that the manifest declares for this verb.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// What everything that the call makes must bear.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Surroundings {
    /// Those of `call`, when `method` is asked of `extension` under the name `id`.
    pub fn of(call: &Call, extension: &ExtensionId, method: Method, id: &str) -> Self {
        let deadline = call.deadline.saturating_duration_since(tokio::time::Instant::now());
        let meta = Meta {
            protocol: PROTOCOL,
            ext: extension.clone(),
            owner: call.owner.clone(),
            ssh: if method == Method::Describe { None } else { call.ssh.clone() },
            call: id.to_owned(),
            attempt: call.attempt,
            deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        };
        if method == Method::Describe {
            return Self {
                meta,
                sandbox_id: None,
                intent: None,
                config: Object::new(),
                secrets: BTreeMap::new(),
                labels: BTreeMap::new(),
            };
        }
        Self {
            meta,
            sandbox_id: method.is_about_a_sandbox().then(|| call.sandbox_id.clone()),
            intent: if method.is_about_what_exists() { call.intent.clone() } else { None },
            config: call.config.clone(),
            secrets: call.secrets.clone(),
            labels: call.labels.clone(),
        }
    }
}

impl Method {
    /// Whether its requests name a sandbox.
    const fn is_about_a_sandbox(self) -> bool {
        !matches!(
            self,
            Self::Describe
                | Self::List
                | Self::EstimateCost
                | Self::Prices
                | Self::ListSnapshots
                | Self::DeleteSnapshot
        )
    }

    /// Whether that sandbox was made before.
    const fn is_about_what_exists(self) -> bool {
        self.is_about_a_sandbox() && !matches!(self, Self::Validate | Self::Provision | Self::Restore | Self::Fork)
    }
}

/// A question, by its members beside the surroundings.
pub trait Ask: Serialize + DeserializeOwned + Send + Sync {
    /// The method that asks it.
    const METHOD: Method;
    /// What answers it.
    type Answer: Serialize + DeserializeOwned + Send;
}

macro_rules! asks {
    ($($(#[$doc:meta])* $name:ident: $method:ident -> $answer:ty { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            #[allow(missing_docs, reason = "docs/extension-protocol.md describes each member")]
            pub struct $name { $($(#[$attribute])* pub $field: $type,)* }

            impl Ask for $name {
                const METHOD: Method = Method::$method;
                type Answer = $answer;
            }
        )+
    };
}

asks! {
    /// `describe`.
    AskDescribe: Describe -> Described {}
    /// `validate`.
    AskValidate: Validate -> Validated { host: HostId, profile: Profile, inputs: Object, }
    /// `provision`.
    AskProvision: Provision -> Made {
        host: HostId, profile: Profile, inputs: Object, ttl_ms: u64,
        #[cfg_attr(feature = "schema", schemars(with = "sandboxer_types::schema::Moment"))] expires_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")] tether: Option<Tether>,
        #[serde(default)] draft: Option<Object>,
    }
    /// `wait_ready`.
    AskWaitReady: WaitReady -> Reached { handle: Handle, }
    /// `teardown`.
    AskTeardown: Teardown -> Removed { host: HostId, handle: Handle, reason: TeardownReason, }
    /// `recover`.
    AskRecover: Recover -> Found { host: HostId, #[serde(default)] draft: Option<Object>, }
    /// `list`.
    AskList: List -> Page { host: HostId, owner: OwnerId, #[serde(default)] page: Option<String>, }
    /// `status`.
    AskStatus: Status -> crate::StatusReport { handle: Handle, }
    /// `estimate_cost`.
    AskEstimateCost: EstimateCost -> Estimated { host: HostId, profile: Profile, inputs: Object, duration_ms: u64, }
    /// `prices`.
    AskPrices: Prices -> Priced {}
    /// `extend`.
    AskExtend: Extend -> Expiring { handle: Handle, ttl_ms: u64, }
    /// `pause`.
    AskPause: Pause -> Done { handle: Handle, }
    /// `resume`.
    AskResume: Resume -> Reached { handle: Handle, }
    /// `snapshot`.
    AskSnapshot: Snapshot -> Snapshotted { handle: Handle, snapshot_id: String, kind: SnapshotKind, }
    /// `restore`.
    AskRestore: Restore -> Made {
        snapshot_id: String, host: HostId, profile: Profile, inputs: Object, ttl_ms: u64,
        #[cfg_attr(feature = "schema", schemars(with = "sandboxer_types::schema::Moment"))] expires_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")] tether: Option<Tether>,
        #[serde(default)] draft: Option<Object>,
    }
    /// `fork`.
    AskFork: Fork -> Made {
        source: Handle, host: HostId, profile: Profile, inputs: Object, ttl_ms: u64,
        #[cfg_attr(feature = "schema", schemars(with = "sandboxer_types::schema::Moment"))] expires_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")] tether: Option<Tether>,
        #[serde(default)] draft: Option<Object>,
    }
    /// `list_snapshots`.
    AskListSnapshots: ListSnapshots -> SnapshotsPage {
        host: HostId, owner: OwnerId, #[serde(default)] page: Option<String>,
    }
    /// `delete_snapshot`.
    AskDeleteSnapshot: DeleteSnapshot -> Removed { host: HostId, snapshot_id: String, }
    /// `connect`.
    AskConnect: Connect -> Connected { handle: Handle, }
}

impl From<&Provision> for AskProvision {
    fn from(request: &Provision) -> Self {
        Self {
            host: request.host.clone(),
            profile: request.profile.clone(),
            inputs: request.inputs.clone(),
            ttl_ms: milliseconds(request.ttl),
            expires_at: request.expires_at,
            tether: request.tether,
            draft: request.draft.clone(),
        }
    }
}

impl AskProvision {
    /// The request it stands for, about `sandbox_id`.
    pub fn into_request(self, sandbox_id: SandboxId) -> Provision {
        Provision {
            sandbox_id,
            host: self.host,
            profile: self.profile,
            inputs: self.inputs,
            expires_at: self.expires_at,
            ttl: time_span(self.ttl_ms),
            tether: self.tether,
            draft: self.draft,
        }
    }
}

macro_rules! as_provision {
    ($name:ident, $own:ident: $type:ty) => {
        impl $name {
            /// What `provision` would be asked, and the one member more.
            pub fn of($own: $type, request: &Provision) -> Self {
                let AskProvision { host, profile, inputs, ttl_ms, expires_at, tether, draft } = request.into();
                Self { $own, host, profile, inputs, ttl_ms, expires_at, tether, draft }
            }

            /// The request it stands for, about `sandbox_id`, and the one member more.
            pub fn into_request(self, sandbox_id: SandboxId) -> ($type, Provision) {
                let Self { $own, host, profile, inputs, ttl_ms, expires_at, tether, draft } = self;
                let ask = AskProvision { host, profile, inputs, ttl_ms, expires_at, tether, draft };
                ($own, ask.into_request(sandbox_id))
            }
        }
    };
}
as_provision!(AskRestore, snapshot_id: String);
as_provision!(AskFork, source: Handle);

impl From<&Teardown> for AskTeardown {
    fn from(request: &Teardown) -> Self {
        Self { host: request.host.clone(), handle: request.handle.clone(), reason: request.reason }
    }
}

/// A span as it travels.
pub(crate) fn milliseconds(span: TimeSpan) -> u64 {
    u64::try_from(span.as_duration().as_millis()).unwrap_or(u64::MAX)
}

/// A span that travelled.
pub(crate) fn time_span(milliseconds: u64) -> TimeSpan {
    std::time::Duration::from_millis(milliseconds).into()
}
