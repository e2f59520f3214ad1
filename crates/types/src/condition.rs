//! What is true of a sandbox beside its state.

use crate::capabilities::word_enum;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

word_enum!(
    /// The kinds of condition.
    ConditionKind, "condition" {
        /// Something may exist that a teardown must still remove.
        TeardownOwed = "teardown_owed",
        /// A call was sent and its outcome was never learned.
        OutcomeUnknown = "outcome_unknown",
        /// The extension that made it is not in the catalog, or is broken.
        ExtensionMissing = "extension_missing",
        /// It did not answer when last asked.
        Unreachable = "unreachable",
        /// There is no way to run commands in it.
        NoSession = "no_session",
        /// Commands and files go by its machine's shell alone, since no agent can run there.
        PlainSession = "plain_session",
        /// Nobody on its machine ends it should we never come back.
        NoLease = "no_lease",
        /// A limit its profile asks for is not in force.
        LimitsUnenforced = "limits_unenforced",
        /// Its lease has run out.
        Expired = "expired",
        /// The process that worked on it is gone, and no other has taken over.
        Abandoned = "abandoned",
    }
);

/// One condition and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Condition {
    /// Which.
    pub kind: ConditionKind,
    /// What exactly, in a sentence.
    pub detail: String,
}

impl Condition {
    /// A condition with its detail.
    pub fn new(kind: ConditionKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}
