//! The file that says whose a workspace is. Pure.

use sandboxer_types::{HostId, Object, OwnerId, SandboxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a workspace from its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    /// Of the inputs: they are not told, as a repository's address may hold a password.
    pub(super) digest: String,
    pub(super) host: String,
    pub(super) created_at: Option<jiff::Timestamp>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

/// Whose a workspace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) owner: OwnerId,
    pub(super) id: SandboxId,
    pub(super) about: About,
}

impl Mark {
    /// The first line, which the end of the sandbox on its machine compares, too.
    pub(super) fn line(owner: &OwnerId, id: &SandboxId) -> String {
        format!("sandboxer {owner} {id}")
    }

    pub(super) fn write(&self) -> String {
        // A structure of texts always becomes one.
        let about = serde_json::to_string(&self.about).unwrap_or_default();
        format!("{}\n{about}\n", Self::line(&self.owner, &self.id))
    }

    /// `None` for what is none of ours.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (line, about) = text.split_once('\n')?;
        let mut words = line.strip_prefix("sandboxer ")?.splitn(2, ' ');
        let (owner, id) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { owner, id, about: serde_json::from_str(about).ok()? })
    }

    pub(super) fn is_on(&self, host: &HostId) -> bool {
        self.about.host == host.as_str()
    }
}

/// The inputs in few letters; their order does not matter.
pub(super) fn digest(inputs: &Object, separate_users: bool) -> String {
    let sorted: BTreeMap<_, _> = inputs.iter().collect();
    let text = serde_json::json!({"inputs": sorted, "separate_users": separate_users}).to_string();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is_one() {
        let mark = Mark {
            owner: "own01j0000000000000000000000a".parse().expect("an owner"),
            id: "web-1".parse().expect("an id"),
            about: About {
                digest: digest(&Object::new(), false),
                host: "localhost".to_owned(),
                created_at: None,
                labels: BTreeMap::from([("a".to_owned(), "b\nc".to_owned())]),
            },
        };
        let text = mark.write();
        assert_eq!(Mark::read(&text), Some(mark));
        assert_eq!(text.lines().count(), 2);
        for wrong in
            ["", "\n", "sandboxer\n{}", "sandboxer x\n{}", &text.replace("web-1", "../x"), &text.replace('{', "")]
        {
            assert_eq!(Mark::read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_order_of_inputs_does_not_matter() {
        let of = |text: &str| digest(&serde_json::from_str(text).expect("an object"), false);
        assert_eq!(of(r#"{"vm": "a", "repo": "b"}"#), of(r#"{"repo": "b", "vm": "a"}"#));
        assert_ne!(of(r#"{"vm": "a"}"#), of(r#"{"vm": "b"}"#));
        assert_ne!(digest(&Object::new(), false), digest(&Object::new(), true));
    }
}
