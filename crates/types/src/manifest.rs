//! The manifest of an extension: `extensions/ext.<name>.yaml`.

use crate::capabilities::word_enum;
use crate::{Capabilities, ExtensionId, Handler, Object, TimeSpan, Verb};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

word_enum!(
    /// Whether one process serves many requests or each has its own.
    Lifecycle, "lifecycle" {
        /// One process serves many requests.
        Persistent = "persistent",
        /// A process a request, so that a shell script can be an extension.
        Oneshot = "oneshot",
    }
);

#[allow(clippy::derivable_impls, reason = "the words' meanings are all that stands at a word")]
impl Default for Lifecycle {
    fn default() -> Self {
        Self::Persistent
    }
}

/// A secret an extension wants, and the verbs it is handed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SecretDeclaration {
    /// Whether a call without it is refused.
    #[serde(default)]
    pub required: bool,
    /// The verbs it is handed to; all when empty.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::AnyVerb>"))]
    pub verbs: Vec<String>,
}

/// How long each of the three calls may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// For `provision`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub provision: Option<TimeSpan>,
    /// For `wait_ready`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub wait_ready: Option<TimeSpan>,
    /// For `teardown`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub teardown: Option<TimeSpan>,
}

/// What an extension is, as its manifest says it. [`crate::source`] reads it from YAML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `ext.<name>`, as the file is called.
    pub id: ExtensionId,
    /// What people call it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Line"))]
    pub title: String,
    /// What runs it: see [`Handler`].
    pub handler: Handler,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its own settings.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub config: Object,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Line>"))]
    pub version: Option<String>,
    /// Whether one process serves many requests.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// How many calls it takes at once; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1024)))]
    pub concurrency: Option<u32>,
    /// JSON Schema (2020-12) of `config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::AnySchema>"))]
    pub config_schema: Option<Value>,
    /// JSON Schema (2020-12) of its inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::AnySchema>"))]
    pub inputs_schema: Option<Value>,
    /// JSON Schema (2020-12) of a profile's `options`, which a caller can never set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::AnySchema>"))]
    pub options_schema: Option<Value>,
    /// The secrets it wants.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("propertyNames" = {"pattern": crate::schema::NAME})))]
    pub secrets: BTreeMap<String, SecretDeclaration>,
    /// How long its calls may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Environment variables that its process is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<PassedEnvironment>,
    /// What a Python extension needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<PythonEnvironment>,
    /// Inputs that must validate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

/// Environment variables that an extension's process is given beside `PATH`, `HOME` and `TMPDIR`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("required" = ["pass"])))]
#[serde(deny_unknown_fields)]
pub struct PassedEnvironment {
    /// Their names.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Variable>"))]
    pub pass: Vec<String>,
}

/// The virtual environment a Python extension asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PythonEnvironment {
    /// The interpreter to make it with.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Line>"))]
    pub interpreter: Option<String>,
    /// What to install into it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Text>"))]
    pub requirements: Vec<String>,
}

/// Inputs that must validate against the extension's own schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("required" = ["inputs"])))]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The inputs.
    #[serde(default)]
    pub inputs: Object,
}

impl Manifest {
    /// Whether the manifest declares `verb`.
    pub fn declares(&self, verb: Verb) -> bool {
        self.capabilities.verbs.contains(&verb)
    }
}
