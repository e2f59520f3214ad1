//! Amounts of bytes, as people write them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number of bytes, written `512`, `64KiB`, `4GiB`, `10 MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "crate::schema::Size"))]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(u64);

/// The text is not an amount of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: write a number with B, KiB, MiB, GiB, TiB (or kB, MB, GB, TB), for example `4GiB`")]
pub struct ByteSizeFault(String);

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// An amount of `bytes`.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The amount, in bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeFault;

    fn from_str(text: &str) -> Result<Self, ByteSizeFault> {
        let fault = || ByteSizeFault(text.chars().take(40).collect());
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, factor)| text.strip_suffix(name).map(|number| (number, *factor)))
            .unwrap_or((text, 1));
        let number = number.trim_end();
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(fault());
        }
        let number: u64 = number.parse().map_err(|_| fault())?;
        number.checked_mul(unit).map(Self).ok_or_else(fault)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = ByteSizeFault;
    fn try_from(text: String) -> Result<Self, ByteSizeFault> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> String {
        size.to_string()
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, factor) in &UNITS[..4] {
            if self.0 >= *factor && self.0.is_multiple_of(*factor) {
                return write!(formatter, "{}{name}", self.0 / factor);
            }
        }
        write!(formatter, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_back() {
        for (text, bytes) in [("4GiB", 4 << 30), ("512", 512), ("10 MB", 10_000_000), ("1KiB", 1024)] {
            assert_eq!(text.parse::<ByteSize>().map(ByteSize::as_bytes), Ok(bytes));
        }
        assert_eq!(ByteSize::bytes(4 << 30).to_string(), "4GiB");
        assert_eq!(ByteSize::bytes(1500).to_string(), "1500B");
        for wrong in ["", "GiB", "-1", "1.5GiB", "4 gigs", "99999999999TiB"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }
}
