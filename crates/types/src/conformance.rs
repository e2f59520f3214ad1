//! What a run of the conformance suite found out about an extension.

use crate::ExtensionId;
use crate::capabilities::word_enum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

word_enum!(
    /// How much an extension was shown to hold. Each level includes the ones before.
    ConformanceLevel, "conformance level" {
        /// Its manifest is sound, and it speaks the protocol.
        L1 = "L1",
        /// What it makes can be used, and is gone afterwards.
        L2 = "L2",
        /// It loses nothing, whenever it or its host dies.
        L3 = "L3",
        /// The optional verbs and features that it declares do what they say.
        L4 = "L4",
    }
);

word_enum!(
    /// How a check ended.
    CheckOutcome, "check outcome" {
        /// What it holds was seen to be so.
        Passed = "passed",
        /// What it holds is not so.
        Failed = "failed",
        /// It has nothing to look at; `reason` says why.
        Skipped = "skipped",
    }
);

/// One check of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckResult {
    /// Which check.
    pub id: String,
    /// The level that it belongs to.
    pub level: ConformanceLevel,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// Why it was skipped, or what is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was sent and received, with secrets replaced, when it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transcript: Vec<String>,
    /// How often a fault was injected.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub faults: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A run of the suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConformanceReport {
    /// The extension.
    pub extension: ExtensionId,
    /// Its version, as its manifest says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of `sandboxer` whose suite it was.
    pub sandboxer: String,
    /// The BLAKE3 digest of the manifest as JSON without its title, `config` and time-outs, in hexadecimal: a changed manifest is
    /// another extension.
    pub manifest_digest: String,
    /// When the run began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub started_at: Timestamp,
    /// What the random instants of faults followed from: the same seed, the same instants.
    pub seed: u64,
    /// The highest level of which every check passed or had nothing to look at, and every level below it too; absent when
    /// not even the first is held, or not all checks were run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<ConformanceLevel>,
    /// Every check that was run or skipped, in order.
    pub checks: Vec<CheckResult>,
    /// What was made and may still exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_over: Vec<String>,
}

impl ConformanceReport {
    /// How many checks ended so.
    pub fn count(&self, outcome: CheckOutcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }
}

impl ConformanceLevel {
    /// Every level, lowest first.
    pub const ALL: [Self; 4] = [Self::L1, Self::L2, Self::L3, Self::L4];
}
