//! Amounts of money, as decimal numbers; never floating point.

use crate::TimeSpan;
use crate::capabilities::word_enum;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An amount in a currency, by its ISO 4217 code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Money {
    /// How much, as a decimal text on the wire.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::DecimalText"))]
    pub amount: Decimal,
    /// Of what, such as `USD`.
    pub currency: String,
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount, self.currency)
    }
}

word_enum!(
    /// What of a sandbox is billed.
    Billing, "billing" {
        /// What was allocated to it, used or not.
        Allocated = "allocated",
        /// The time its processors were active.
        Active = "active",
        /// The greater of what was asked for and what was used.
        GreaterOf = "greater_of",
        /// A bundle of resources at one price.
        Bundled = "bundled",
    }
);

/// What an extension thinks a sandbox of a profile would cost. What is not known is absent, never guessed. Amounts are
/// decimal texts on the wire, all in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MeterQuote {
    /// For how long the quote holds.
    pub duration: TimeSpan,
    /// The currency, by its ISO 4217 code.
    pub currency: String,
    /// What it will most likely cost.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::DecimalText"))]
    pub expected: Decimal,
    /// What it will cost at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::DecimalText>"))]
    pub low: Option<Decimal>,
    /// What it will cost at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::DecimalText>"))]
    pub high: Option<Decimal>,
    /// An hour of it while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::DecimalText>"))]
    pub running_per_hour: Option<Decimal>,
    /// An hour of it while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::DecimalText>"))]
    pub paused_per_hour: Option<Decimal>,
    /// What is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<Billing>,
    /// In what steps time is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<TimeSpan>,
    /// The least time that is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<TimeSpan>,
    /// What is billed beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    /// The day of the prices it rests on, as `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Where those prices stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How far they can be relied on, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
}

/// One row of an extension's price list: what a unit of one meter costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MeterPrice {
    /// The meter, such as `vcpu_s` or `mem_gib_s`.
    pub meter: String,
    /// What a unit of it costs.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::DecimalText"))]
    pub amount: Decimal,
    /// The currency, by its ISO 4217 code.
    pub currency: String,
    /// The day of the price, as `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How far it can be relied on, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// Anything else about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
