//! The durable log of what happened.

use crate::capabilities::word_enum;
use crate::{Object, SandboxId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

word_enum!(
    /// What an event tells.
    EventKind, "event" {
        /// The intent became durable.
        Planned = "planned",
        /// The state changed.
        Moved = "moved",
        /// The backend gave an id of its own before it was done.
        Checkpointed = "checkpointed",
        /// The lease was moved.
        Extended = "extended",
        /// Another process took over an operation whose owner had died.
        TakenOver = "taken_over",
        /// A call failed.
        Failed = "failed",
        /// A line of set-up or of the extension.
        Log = "log",
        /// A record was closed by hand.
        Forgotten = "forgotten",
        /// An orphan was found or removed.
        Orphan = "orphan",
    }
);

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Its place in the log, ascending.
    pub sequence: i64,
    /// When it was written.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub at: Timestamp,
    /// Which sandbox it is about.
    pub sandbox_id: SandboxId,
    /// What it tells.
    pub kind: EventKind,
    /// In words, for people.
    pub message: String,
    /// In data, for programs.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub data: Object,
}
