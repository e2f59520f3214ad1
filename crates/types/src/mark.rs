//! What a sandbox is called on a machine that other owners use, too.

use crate::{OwnerId, SandboxId};
use std::fmt;
use std::str::FromStr;

/// Of its owner's id, so many last letters, which are random.
const LETTERS: usize = 8;
const LONGEST: usize = 64;

/// A sandbox on a machine: its id, and the last letters of its owner's, since two owners may have chosen the same id. Leases, agents
/// and processes there bear it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SandboxMark(String);

/// The text is no mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sandbox on a machine is called by letters, digits and `-`, {LONGEST} at most")]
pub struct SandboxMarkFault;

impl SandboxMark {
    /// That owner's sandbox of that id.
    pub fn of(sandbox_id: &SandboxId, owner: &OwnerId) -> Self {
        let owner = owner.as_str();
        let last = owner.get(owner.len().saturating_sub(LETTERS)..).unwrap_or(owner);
        Self(format!("{sandbox_id}-{last}"))
    }

    /// The mark as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SandboxMark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for SandboxMark {
    type Err = SandboxMarkFault;

    fn from_str(text: &str) -> Result<Self, SandboxMarkFault> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let sound = (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-');
        if sound { Ok(Self(text.to_owned())) } else { Err(SandboxMarkFault) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_owners_do_not_meet_under_one_id() {
        let id: SandboxId = "twin".parse().expect("an id");
        let owner = |last: char| format!("own01j0000000000000000000000{last}").parse::<OwnerId>().expect("an owner");
        let (one, other) = (SandboxMark::of(&id, &owner('a')), SandboxMark::of(&id, &owner('b')));
        assert_ne!(one, other);
        assert_eq!(one.as_str(), "twin-0000000a");
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        let longest: SandboxId = "x".repeat(40).parse().expect("an id");
        assert!(SandboxMark::of(&longest, &owner('a')).as_str().parse::<SandboxMark>().is_ok());
        for wrong in ["", "-x", "a b", "a/b", "A", &"x".repeat(65)] {
            assert!(wrong.parse::<SandboxMark>().is_err(), "{wrong}");
        }
    }
}
