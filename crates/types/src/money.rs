//! Amounts of money, as decimal numbers; never floating point.

use crate::TimeSpan;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount in a currency, by its ISO 4217 code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// How much, as a decimal text on the wire.
    pub amount: Decimal,
    /// Of what, such as `USD`.
    pub currency: String,
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount, self.currency)
    }
}

/// What an extension thinks a sandbox of a profile would cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterQuote {
    /// For how long the quote holds.
    pub duration: TimeSpan,
    /// The whole of it.
    pub total: Money,
    /// What it rests on: rates, their source and their date.
    #[serde(default)]
    pub basis: Vec<String>,
}
