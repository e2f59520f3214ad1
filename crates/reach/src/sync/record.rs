//! What an earlier sync had sent: kept beside the target, and read again before the next.
//!
//! A line with a version, then fields with a zero byte behind each: when that sync began, and the path of every entry. Who
//! writes there could remove the entries himself, so nothing in it is trusted further than a path below the target.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::local::Time;

/// Where it is kept within the target, if not beside it.
pub(super) const PLACES_INSIDE: [&str; 2] = [".git/sandboxer-sync", ".sandboxer-sync"];
/// Behind the target's name, where it is kept beside it.
pub(super) const BESIDE: &str = ".sandboxer-sync";

const HEAD: &[u8] = b"sandboxer-sync 1\n";

/// What was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// When that sync began; the beginning of time where it may not have arrived whole.
    pub(super) began: Time,
    pub(super) paths: BTreeSet<PathBuf>,
}

impl Record {
    /// What is no record says nothing.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let Some(mut fields) = bytes.strip_prefix(HEAD).map(|rest| rest.split(|byte| *byte == 0)) else {
            return Self::default();
        };
        let began = fields.next().and_then(time).unwrap_or_default();
        let paths = fields.filter_map(below).collect();
        Self { began, paths }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = HEAD.to_vec();
        bytes.extend_from_slice(format!("{}.{:09}\0", self.began.0, self.began.1).as_bytes());
        for path in &self.paths {
            bytes.extend_from_slice(path.as_os_str().as_bytes());
            bytes.push(0);
        }
        bytes
    }
}

/// Seconds, a dot, and nine digits or more of the rest.
pub(super) fn time(field: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(field).ok()?;
    let (seconds, rest) = text.split_once('.').unwrap_or((text, "0"));
    let mut digits = rest.to_owned();
    if !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    while digits.len() < 9 {
        digits.push('0');
    }
    Some((seconds.parse().ok()?, digits[..9].parse().ok()?))
}

/// A path that stays below the target, through nothing but names.
pub(super) fn below(field: &[u8]) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(field));
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && !field.is_empty()).then(|| path.components().collect())
}
