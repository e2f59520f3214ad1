//! Which part of a file a request wants.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};
use sandboxer_envd::Timestamp;

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// From the first byte to before the last.
    Range {
        start: u64,
        end: u64,
    },
    /// The file is shorter than that.
    Unsatisfiable,
    /// The client has it already.
    Unchanged,
}

/// What the headers ask for of a file of that size and age. What makes no sense is answered with the whole, and so are
/// several ranges at once.
pub(super) fn wanted(headers: &HeaderMap, size: u64, modified: SystemTime) -> Part {
    let modified = whole_seconds(modified);
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    match range {
        Some(range) if holds(headers, header::IF_RANGE, |date| date == modified) => parse(range, size),
        Some(_) => Part::Whole,
        None if !headers.contains_key(header::IF_NONE_MATCH)
            && headers.contains_key(header::IF_MODIFIED_SINCE)
            && holds(headers, header::IF_MODIFIED_SINCE, |date| modified <= date) =>
        {
            Part::Unchanged
        }
        None => Part::Whole,
    }
}

/// Whether a condition holds; one that is not there does.
fn holds(headers: &HeaderMap, name: HeaderName, condition: impl FnOnce(SystemTime) -> bool) -> bool {
    let Some(value) = headers.get(name) else { return true };
    value.to_str().ok().and_then(|value| httpdate::parse_http_date(value).ok()).is_some_and(condition)
}

fn parse(range: &str, size: u64) -> Part {
    parse_bytes(range, size).unwrap_or(Part::Whole)
}

fn parse_bytes(range: &str, size: u64) -> Option<Part> {
    let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
    let (start, end) = match (first, last) {
        ("", suffix) => (size.saturating_sub(number(suffix)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(if start < end { Part::Range { start, end } } else { Part::Unsatisfiable })
}

fn number(text: &str) -> Option<u64> {
    // `parse` would take a plus.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Dates in headers have no fractions.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// A time as headers have it.
pub(super) fn system_time(time: &Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: Duration = Duration::from_secs(784_111_777);

    fn asked(pairs: &[(HeaderName, &str)]) -> Part {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        wanted(&headers, 10, SystemTime::UNIX_EPOCH + MODIFIED + Duration::from_millis(5))
    }

    #[test]
    fn ranges() {
        let range = |text| asked(&[(header::RANGE, text)]);
        assert_eq!(asked(&[]), Part::Whole);
        assert_eq!(range("bytes=0-4"), Part::Range { start: 0, end: 5 });
        assert_eq!(range("bytes=4-"), Part::Range { start: 4, end: 10 });
        assert_eq!(range("bytes=-3"), Part::Range { start: 7, end: 10 });
        assert_eq!(range("bytes=-30"), Part::Range { start: 0, end: 10 });
        assert_eq!(range("bytes=5-18446744073709551615"), Part::Range { start: 5, end: 10 });
        assert_eq!(range("bytes=10-"), Part::Unsatisfiable);
        assert_eq!(range("bytes=-0"), Part::Unsatisfiable);
        for nonsense in ["bytes=5-4", "bytes=a-b", "bytes=+1-2", "lines=1-2", "bytes=0-1,3-4", "bytes=", "bytes=-"] {
            assert_eq!(range(nonsense), Part::Whole, "{nonsense}");
        }
    }

    #[test]
    fn conditions() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:49:38 GMT";
        assert_eq!(asked(&[(header::IF_MODIFIED_SINCE, date)]), Part::Unchanged);
        assert_eq!(asked(&[(header::IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT")]), Part::Whole);
        assert_eq!(asked(&[(header::IF_MODIFIED_SINCE, "yesterday")]), Part::Whole);
        let ranged = |date| asked(&[(header::RANGE, "bytes=1-1"), (header::IF_RANGE, date)]);
        assert_eq!(ranged(date), Part::Range { start: 1, end: 2 });
        assert_eq!(ranged(later), Part::Whole);
        assert_eq!(ranged("\"tag\""), Part::Whole);
    }
}
