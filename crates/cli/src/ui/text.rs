//! Words for things.

use jiff::Timestamp;
use sandboxer_types::{SandboxStatus, TimeSpan};
use std::time::Duration;

/// How long ago or how far ahead, to its two largest units' precision: `2h5m`.
pub(crate) fn distance(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().unsigned_abs();
    let rounded = match seconds {
        0..3600 => seconds,
        3600..86_400 => seconds - seconds % 60,
        _ => seconds - seconds % 3600,
    };
    TimeSpan::from(Duration::from_secs(rounded)).to_string()
}

/// The conditions of a sandbox, in words without their details.
pub(crate) fn conditions(status: &SandboxStatus) -> String {
    let words: Vec<&str> = status.conditions.iter().map(|condition| condition.kind.as_str()).collect();
    words.join(",")
}

/// Makes text from elsewhere harmless on a terminal: control characters are escaped.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() && c != '\t' { c.escape_debug().collect() } else { vec![c] }).collect()
}

/// The same for text of several lines, such as a traceback: the later ones are set in.
pub(crate) fn harmless_lines(text: &str) -> String {
    text.lines().map(harmless).collect::<Vec<_>>().join("\n  ")
}
