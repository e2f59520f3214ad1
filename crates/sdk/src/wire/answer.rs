//! What answers each question: the `result` of a response.

use crate::{Connection, Listed, Recovered};
use jiff::Timestamp;
use sandboxer_types::{CleanupReport, Feature, Handle, MeterPrice, MeterQuote, Object, Reachability, Snapshot, Verb};
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            #[allow(missing_docs, reason = "docs/extension-protocol.md describes each member")]
            pub struct $name { $($(#[$attribute])* pub $field: $type,)* }
        )+
    };
}

answers! {
    /// What an extension says of itself.
    Described {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")] version: Option<String>,
        protocols: Vec<u32>,
        #[serde(default)] verbs: Vec<Verb>,
        #[serde(default)] features: Vec<Feature>,
        #[serde(default, skip_serializing_if = "Option::is_none")] inputs_schema: Option<Value>,
    }
    /// Inputs that are sound, with defaults.
    Validated { inputs: Object, }
    /// What was made.
    Made { handle: Handle, }
    /// How it is reached.
    Reached { reachability: Reachability, }
    /// What was removed.
    Removed { report: CleanupReport, }
    /// Some of what exists.
    Page {
        sandboxes: Vec<Listed>,
        #[serde(default, skip_serializing_if = "Option::is_none")] next: Option<String>,
    }
    /// What it would cost.
    Estimated { quote: MeterQuote, }
    /// What units cost.
    Priced { prices: Vec<MeterPrice>, }
    /// When it will end.
    Expiring {
        #[cfg_attr(feature = "schema", schemars(with = "sandboxer_types::schema::Moment"))] expires_at: Timestamp,
    }
    /// What was kept.
    Snapshotted { snapshot: Snapshot, }
    /// Some of what was kept.
    SnapshotsPage {
        snapshots: Vec<Snapshot>,
        #[serde(default, skip_serializing_if = "Option::is_none")] next: Option<String>,
    }
}

/// It was done, and there is nothing more to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Done {}

/// What became of a lost `provision`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Found {
    /// Nothing was made, and nothing will be.
    Absent,
    /// It is still being made.
    InProgress,
    /// It exists.
    Present {
        /// What `provision` would have returned.
        handle: Handle,
    },
}

impl From<Found> for Recovered {
    fn from(found: Found) -> Self {
        match found {
            Found::Absent => Self::Absent,
            Found::InProgress => Self::InProgress,
            Found::Present { handle } => Self::Present(handle),
        }
    }
}

impl From<Recovered> for Found {
    fn from(recovered: Recovered) -> Self {
        match recovered {
            Recovered::Absent => Self::Absent,
            Recovered::InProgress => Self::InProgress,
            Recovered::Present(handle) => Self::Present { handle },
        }
    }
}

/// How to open a stream.
pub type Connected = Connection;
