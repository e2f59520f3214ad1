//! Names of things. Each is checked once, where it is made, so that code holding one never checks it again.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text cannot be an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {shown} is not valid: {rule}")]
pub struct IdFault {
    /// What the text should have been, for example `sandbox id`.
    pub what: &'static str,
    /// The text, shortened and with control characters escaped.
    pub shown: String,
    /// The rule it broke, in words.
    pub rule: &'static str,
}

impl IdFault {
    fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        Self { what, shown: quote_shortened(text), rule }
    }
}

/// Quotes `text` for an error message: control characters escaped, at most 60 characters.
pub(crate) fn quote_shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// `[a-z0-9]([a-z0-9-]{0,MAX-2}[a-z0-9])?`: valid as a DNS label, a directory, a container and a compose project.
fn is_label(text: &str, longest: usize) -> bool {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= longest
        && is_lower_alphanumeric(first)
        && is_lower_alphanumeric(last)
        && bytes.iter().all(|&byte| is_lower_alphanumeric(byte) || byte == b'-')
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr, $rule:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("pattern" = $pattern)))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdFault;
            fn from_str(text: &str) -> Result<Self, IdFault> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(IdFault::new($what, text, $rule)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdFault;
            fn try_from(text: String) -> Result<Self, IdFault> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// The name a sandbox is made, found and removed by: `sbx` and the 26 characters of a ULID in lower case, or a
    /// caller's own. Sortable by time of creation when it is ours.
    SandboxId,
    "sandbox id",
    |text| is_label(text, 40),
    "1 to 40 of a-z, 0-9 and `-`, beginning and ending with a letter or digit",
    "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
);
text_id!(
    /// A caller's nickname for a sandbox, unique among the live ones.
    SandboxName,
    "sandbox name",
    |text| is_label(text, 63),
    "1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit",
    "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
);
text_id!(
    /// `ext.<name>`: an extension of the catalog.
    ExtensionId,
    "extension id",
    |text| text.strip_prefix("ext.").is_some_and(|name| is_label(name, 60)),
    "`ext.` and then 1 to 60 of a-z, 0-9 and `-`",
    r"^ext\.[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$"
);
text_id!(
    /// `profile.<slug>`: a profile of the catalog.
    ProfileId,
    "profile id",
    |text| text.strip_prefix("profile.").is_some_and(|name| is_label(name, 60)),
    "`profile.` and then 1 to 60 of a-z, 0-9 and `-`",
    r"^profile\.[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$"
);
text_id!(
    /// The machine a sandbox is placed on; `localhost` is this one.
    HostId,
    "host",
    |text| {
        text.len() <= 253
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    },
    "1 to 253 letters, digits, `-`, `.` and `_`, beginning with a letter or digit",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$"
);
text_id!(
    /// Who a sandbox is for: a person, a CI job, an agent. Travels with every create.
    ConsumerName,
    "consumer",
    |text| !text.is_empty() && text.len() <= 128 && !text.starts_with('-') && text.chars().all(|c| !c.is_control()),
    "1 to 128 bytes without control characters, not beginning with `-`",
    r"^[^\x00-\x1f\x7f-\x9f-][^\x00-\x1f\x7f-\x9f]{0,127}$"
);
text_id!(
    /// Which state directory made a thing: `own` and a ULID in lower case. Everything a backend creates bears it.
    OwnerId,
    "owner id",
    |text| text.strip_prefix("own").is_some_and(|rest| is_label(rest, 37)),
    "`own` and then 1 to 37 of a-z, 0-9 and `-`",
    "^own[a-z0-9]([a-z0-9-]{0,35}[a-z0-9])?$"
);

impl SandboxId {
    /// The id that belongs to `ulid`.
    pub fn from_ulid(ulid: ulid::Ulid) -> Self {
        Self(format!("sbx{}", ulid.to_string().to_ascii_lowercase()))
    }

    /// The last eight characters, which tell apart sandboxes of one minute; what tables show.
    pub fn suffix(&self) -> &str {
        &self.0[self.0.len().saturating_sub(8)..]
    }
}

impl OwnerId {
    /// The id that belongs to `ulid`.
    pub fn from_ulid(ulid: ulid::Ulid) -> Self {
        Self(format!("own{}", ulid.to_string().to_ascii_lowercase()))
    }
}

impl ExtensionId {
    /// Reads an id that may lack its `ext.`.
    pub fn from_short(text: &str) -> Result<Self, IdFault> {
        if text.starts_with("ext.") { text.parse() } else { format!("ext.{text}").parse() }
    }
}

impl ProfileId {
    /// Reads an id that may lack its `profile.`.
    pub fn from_short(text: &str) -> Result<Self, IdFault> {
        if text.starts_with("profile.") { text.parse() } else { format!("profile.{text}").parse() }
    }

    /// The id without its `profile.`.
    pub fn short(&self) -> &str {
        self.0.strip_prefix("profile.").unwrap_or(&self.0)
    }
}

impl HostId {
    /// This machine, reached by child processes and without ssh.
    pub fn localhost() -> Self {
        Self("localhost".to_owned())
    }

    /// Whether it is this machine.
    pub fn is_localhost(&self) -> bool {
        self.0 == "localhost"
    }
}

/// Checks the key of a label: 1 to 63 letters, digits, `-`, `_`, `.` and `/`; `sandboxer.` is ours alone.
pub fn check_label_key(key: &str) -> Result<(), IdFault> {
    let well_formed = !key.is_empty()
        && key.len() <= 63
        && key.as_bytes()[0].is_ascii_alphanumeric()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'));
    if !well_formed {
        return Err(IdFault::new("label", key, "1 to 63 letters, digits, `-`, `_`, `.` and `/`"));
    }
    if key.starts_with("sandboxer.") {
        return Err(IdFault::new("label", key, "labels under `sandboxer.` are kept for sand-boxer itself"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_id_of_ours_is_a_valid_label_and_sorts_by_time() {
        let earlier = SandboxId::from_ulid(ulid::Ulid::from_parts(1, u128::MAX));
        let later = SandboxId::from_ulid(ulid::Ulid::from_parts(2, 0));
        assert_eq!(earlier.as_str().len(), 29);
        assert!(earlier < later);
        assert_eq!(earlier.as_str().parse::<SandboxId>(), Ok(earlier));
    }

    #[test]
    fn hostile_ids_are_refused_with_the_rule_they_break() {
        let long = "a".repeat(100_000);
        for hostile in ["", "-rf", "a-", "../x", "a/b", "a\nb", "$(id)", "Äpfel", "A", "a b", "sbx\0", &long] {
            let fault = hostile.parse::<SandboxId>().expect_err(hostile.get(..5.min(hostile.len())).unwrap_or("?"));
            assert!(fault.to_string().len() < 250, "{fault}");
            assert!(!fault.to_string().contains('\n'));
        }
    }

    #[test]
    fn short_forms_get_their_prefix() {
        assert_eq!(ProfileId::from_short("local").map(String::from), Ok("profile.local".to_owned()));
        assert_eq!(ExtensionId::from_short("ext.local").map(String::from), Ok("ext.local".to_owned()));
        assert!(ProfileId::from_short("profile.").is_err());
    }

    #[test]
    fn labels_of_our_own_cannot_be_set() {
        assert!(check_label_key("team").is_ok());
        assert!(check_label_key("sandboxer.id").is_err());
        assert!(check_label_key("-x").is_err());
    }
}
