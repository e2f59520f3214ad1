//! What other tools read of extensions and profiles without running anything: the files of `registry/`.
//!
//! Made purely from a [`Manifest`](crate::Manifest) or a [`Profile`](crate::Profile). What is not known is absent or null,
//! never guessed. No value of a setting or of a secret is in them, nor a path of the machine they were made on. Members
//! that begin with `x-` are other tools' own: they are kept as they are, and mean nothing here.

mod abilities;
mod extension;
mod index;
mod inputs;
mod profile;

pub use abilities::RegistryAbilities;
pub use extension::{
    ConformanceStatement, HandlerKind, RegistryExtension, RegistryPython, RegistryRequirements, RegistrySecret,
};
pub use index::{IndexedConformance, RegistryEntry, RegistryIndex};
pub use profile::{RegistryBinding, RegistryProfile};

use crate::capabilities::word_enum;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The version of the format. Members may be added in it; none changes its meaning or goes away.
pub const REGISTRY_FORMAT: u32 = 1;
/// What the name of another tool's own member begins with.
pub const FOREIGN_PREFIX: &str = "x-";
/// The file of the index.
pub const INDEX_FILE: &str = "index.json";

word_enum!(
    /// What a file of the registry is about.
    RegistryKind, "kind" {
        /// An extension, that is, a backend.
        Extension = "extension",
        /// A profile, that is, what a sandbox of a name is.
        Profile = "profile",
        /// What there is.
        Index = "index",
    }
);

impl RegistryKind {
    /// The address of the JSON Schema of such files.
    pub const fn schema_address(self) -> &'static str {
        macro_rules! address {
            ($name:literal) => {
                concat!(env!("CARGO_PKG_REPOSITORY"), "/raw/HEAD/schemas/registry-", $name, ".schema.json")
            };
        }
        match self {
            Self::Extension => address!("extension"),
            Self::Profile => address!("profile"),
            Self::Index => address!("index"),
        }
    }
}

/// Whether a text names a place of one machine, or may bear a secret: then it is nothing for a registry.
fn is_private(text: &str) -> bool {
    let is_path = |word: &str| word.starts_with(['/', '~']) || word.starts_with("file:");
    let bears_a_secret = |word: &str| {
        let authority = word.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
        authority.is_some_and(|authority| authority.contains('@'))
    };
    text.split_whitespace().any(|word| is_path(word) || bears_a_secret(word))
}

/// Whether any text in a value is private.
fn holds_private(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => is_private(text),
        serde_json::Value::Array(items) => items.iter().any(holds_private),
        serde_json::Value::Object(members) => members.values().any(holds_private),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => false,
    }
}

/// Whether `address` can stand as the `source` of a file: an address that others can use too, without a secret in it.
pub fn check_source(address: &str) -> Result<(), &'static str> {
    let Some((scheme, rest)) = address.split_once("://") else { return Err("it has no `://`") };
    let named = scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !named {
        Err("what stands before `://` is no scheme")
    } else if address.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        Err("it has white space in it")
    } else if scheme == "file" || authority.is_empty() {
        Err("it names no machine that others could reach")
    } else if authority.rsplit_once('@').is_some_and(|(user, _)| scheme.contains("http") || user.contains(':')) {
        Err("it has a login in it")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_source_is_an_address_that_others_can_use() {
        for sound in ["https://example.org/app.git", "ssh://git@example.org/app.git", "git+https://example.org/x?y#z"] {
            assert_eq!(check_source(sound), Ok(()), "{sound}");
        }
        for wrong in [
            "",
            "example.org/app",
            "/home/ada/app",
            "://example.org",
            "HTTPS://example.org",
            "file:///home/ada/app",
            "file://box/app",
            "https:///app",
            "https://token@example.org/app",
            "https://ada:secret@example.org/app",
            "ssh://git:secret@example.org/app",
            "https://example.org/a b",
        ] {
            assert!(check_source(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_and_logins_are_private_wherever_they_stand() {
        for private in [
            json!("/home/ada/wheel.whl"),
            json!("~/wheel.whl"),
            json!("wheel @ file:///home/ada/wheel.whl"),
            json!(["a", {"b": "git+https://token@example.org/app.git"}]),
        ] {
            assert!(holds_private(&private), "{private}");
        }
        for public in [json!("httpx>=0.27"), json!("app @ https://example.org/app.whl"), json!([1, null, {"a": "b/c"}])]
        {
            assert!(!holds_private(&public), "{public}");
        }
    }
}
