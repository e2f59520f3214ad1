//! What the conformance suite needs to know of a backend: `conformance/ext.<name>.yaml`.

use crate::{HostId, Object, ProfileId};
use serde::{Deserialize, Serialize};

/// How an extension is to be tested. Everything is optional; what is missing leaves out the checks that need it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TestPlan {
    /// The profile of what is made; a bare one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileId>,
    /// The inputs of what is made; none otherwise.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub inputs: Object,
    /// Other inputs, just as good: under an id that is taken they are a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_inputs: Option<Object>,
    /// Where it is made; on this machine otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// Words of a command that prints everything that the backend has, a line each, as the backend itself knows it: what the suite
    /// believes more than the extension. Nobody else may use the backend meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Text>"))]
    pub inventory: Vec<String>,
    /// How the backend is taken away, and brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// Words of a command that stops one sandbox behind everybody's back; `{id}` in them is its id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Text>"))]
    pub stop: Vec<String>,
}

/// How a backend is taken away, and brought back. Both must do no harm when done twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("required" = ["begin", "end"])))]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Words of a command after which the backend does not answer, and what it has is still there.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Text>"))]
    pub begin: Vec<String>,
    /// Words of a command after which it answers again.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Text>"))]
    pub end: Vec<String>,
}
