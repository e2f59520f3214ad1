//! Lengths of time, as people write them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time of whole milliseconds, written `90s`, `15m`, `1h30m`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "crate::schema::AnySpan"))]
#[serde(try_from = "String", into = "String")]
pub struct TimeSpan(Duration);

/// The text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write numbers with ms, s, m, h or d, for example `90s`, `15m` or `1h30m`")]
pub struct TimeSpanFault(String);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// A hundred years: beyond it dates overflow.
const LONGEST_MILLISECONDS: u64 = 36_500 * 86_400_000;

impl TimeSpan {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The span as the standard library knows it.
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    fn milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl From<Duration> for TimeSpan {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for TimeSpan {
    type Err = TimeSpanFault;

    fn from_str(text: &str) -> Result<Self, TimeSpanFault> {
        let fault = || TimeSpanFault(text.chars().take(40).collect());
        let mut rest = text.trim();
        let mut total: u64 = 0;
        if rest.is_empty() {
            return Err(fault());
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| fault())?;
            rest = &rest[digits..];
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (_, factor) = UNITS.iter().find(|(name, _)| *name == &rest[..letters]).ok_or_else(fault)?;
            total = number.checked_mul(*factor).and_then(|part| total.checked_add(part)).ok_or_else(fault)?;
            rest = rest[letters..].trim_start();
        }
        if total > LONGEST_MILLISECONDS { Err(fault()) } else { Ok(Self(Duration::from_millis(total))) }
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = TimeSpanFault;
    fn try_from(text: String) -> Result<Self, TimeSpanFault> {
        text.parse()
    }
}

impl From<TimeSpan> for String {
    fn from(span: TimeSpan) -> String {
        span.to_string()
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.milliseconds();
        if rest == 0 {
            return formatter.write_str("0s");
        }
        for (name, factor) in UNITS.iter().rev() {
            if rest >= *factor {
                write!(formatter, "{}{name}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_back() {
        for text in ["90ms", "45s", "15m", "1h30m", "2d", "1d2h3m4s"] {
            assert_eq!(text.parse::<TimeSpan>().map(|span| span.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("90s".parse::<TimeSpan>().map(|span| span.to_string()), Ok("1m30s".to_owned()));
        assert_eq!("1h 30m".parse::<TimeSpan>(), Ok(TimeSpan::seconds(5400)));
        for wrong in ["", "10", "h", "-1h", "1.5h", "1y", "99999999999999999999s", "40000d", "1ü"] {
            assert!(wrong.parse::<TimeSpan>().is_err(), "{wrong}");
        }
    }
}
