//! What an extension gave back for what it made.

use crate::{HostId, Object, SandboxId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An extension's own record of what it made: opaque but for `sandbox_id` and `host`, at most 64 KiB as JSON, kept value
/// for value and handed back on every later call. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(Object);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Handle {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Handle".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (sandbox_id, host) = (generator.subschema_for::<SandboxId>(), generator.subschema_for::<HostId>());
        schemars::json_schema!({
            "description": "An extension's own record of what it made: its own but for `sandbox_id` and `host`, which \
                repeat the request's; at most 64 KiB as JSON, kept value for value and handed back on every later call. \
                Holds no secrets.",
            "type": "object",
            "properties": {"sandbox_id": sandbox_id, "host": host},
            "required": ["sandbox_id", "host"],
        })
    }
}

/// The handle breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleFault {
    /// A member that must be there is missing or not a text.
    #[error("the handle has no `{0}`, or it is not a text")]
    Missing(&'static str),
    /// A member does not say what the request said.
    #[error("the handle's `{member}` is `{found}`, but the request said `{expected}`")]
    Differs {
        /// Which.
        member: &'static str,
        /// What the handle says.
        found: String,
        /// What the request said.
        expected: String,
    },
    /// More than 64 KiB.
    #[error("the handle takes {0} bytes as JSON; at most 65536 are kept")]
    TooLarge(usize),
}

impl Handle {
    /// The largest handle that is kept, in bytes of JSON.
    pub const LARGEST: usize = 64 * 1024;

    /// The handle that is always known: enough to find and remove whatever bears the id.
    pub fn minimal(sandbox_id: &SandboxId, host: &HostId) -> Self {
        let mut members = Object::new();
        members.insert("sandbox_id".to_owned(), Value::from(sandbox_id.as_str()));
        members.insert("host".to_owned(), Value::from(host.as_str()));
        Self(members)
    }

    /// Adds a member of the extension's own.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// A member, when it is there.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// A member that is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// All members.
    pub fn members(&self) -> &Object {
        &self.0
    }

    /// Checks the handle against the request it answers.
    pub fn check(&self, sandbox_id: &SandboxId, host: &HostId) -> Result<(), HandleFault> {
        for (member, expected) in [("sandbox_id", sandbox_id.as_str()), ("host", host.as_str())] {
            let found = self.text(member).ok_or(HandleFault::Missing(member))?;
            if found != expected {
                let (found, expected) = (found.to_owned(), expected.to_owned());
                return Err(HandleFault::Differs { member, found, expected });
            }
        }
        let size = Value::Object(self.0.clone()).to_string().len();
        if size > Self::LARGEST { Err(HandleFault::TooLarge(size)) } else { Ok(()) }
    }
}

impl From<Object> for Handle {
    fn from(members: Object) -> Self {
        Self(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_must_repeat_the_request_and_stay_small() {
        let id: SandboxId = "a".parse().expect("valid");
        let host = HostId::localhost();
        let handle = Handle::minimal(&id, &host);
        assert_eq!(handle.check(&id, &host), Ok(()));
        let other: SandboxId = "b".parse().expect("valid");
        assert!(matches!(handle.check(&other, &host), Err(HandleFault::Differs { member: "sandbox_id", .. })));
        let large = handle.with("blob", "x".repeat(Handle::LARGEST));
        assert!(matches!(large.check(&id, &host), Err(HandleFault::TooLarge(_))));
        assert_eq!(Handle::from(Object::new()).check(&id, &host), Err(HandleFault::Missing("sandbox_id")));
    }
}
