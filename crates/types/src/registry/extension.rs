//! What the registry says of an extension: `registry/ext.<name>.json`.

use super::{REGISTRY_FORMAT, RegistryAbilities, RegistryKind, is_private};
use crate::capabilities::word_enum;
use crate::{
    CheckOutcome, ConformanceLevel, ConformanceReport, ExtensionId, Lifecycle, Manifest, Object, PythonEnvironment,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;

/// The Pythons that our package runs on.
const PYTHON: &str = ">=3.9";

word_enum!(
    /// What runs an extension.
    HandlerKind, "kind of handler" {
        /// It is compiled into `sandboxer`.
        Builtin = "builtin",
        /// A program beside the manifest.
        Exec = "exec",
        /// A Python class.
        Python = "python",
    }
);

/// A secret that an extension wants. Never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub struct RegistrySecret {
    /// Its name.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Name"))]
    pub name: String,
    /// Whether a call without it is refused.
    pub required: bool,
    /// The verbs it is handed to; every verb of the extension when empty.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::AnyVerb>"))]
    pub verbs: Vec<String>,
}

/// What a Python extension needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub struct RegistryPython {
    /// The Pythons that can run it, as packages of Python say it.
    pub version: String,
    /// The interpreter that it asks for by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// What is installed for it, as `pip` understands it.
    pub packages: Vec<String>,
}

/// What an extension needs of the machine that runs it, as far as its manifest says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub struct RegistryRequirements {
    /// The environment variables that are passed on to it, by name.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Variable>"))]
    pub environment: Vec<String>,
    /// Of a Python extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<RegistryPython>,
}

/// What a run of the conformance suite found out, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub struct ConformanceStatement {
    /// The highest level that was shown to hold; null when not even the first was, or not every check was run.
    pub level: Option<ConformanceLevel>,
    /// When the run began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub date: Timestamp,
    /// The version of the extension that was tested; null when its manifest states none.
    pub version: Option<String>,
    /// The version of `sandboxer` whose suite it was.
    pub sandboxer: String,
    /// What the instants of faults followed from.
    pub seed: u64,
    /// How many checks passed.
    pub passed: usize,
    /// How many checks failed.
    pub failed: usize,
    /// How many checks had nothing to look at.
    pub skipped: usize,
}

impl From<&ConformanceReport> for ConformanceStatement {
    fn from(report: &ConformanceReport) -> Self {
        Self {
            level: report.level,
            date: report.started_at,
            version: report.version.clone(),
            sandboxer: report.sandboxer.clone(),
            seed: report.seed,
            passed: report.count(CheckOutcome::Passed),
            failed: report.count(CheckOutcome::Failed),
            skipped: report.count(CheckOutcome::Skipped),
        }
    }
}

/// What the registry says of an extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("patternProperties" = {"^x-": true}, "additionalProperties" = false)))]
pub struct RegistryExtension {
    /// The JSON Schema of this file.
    #[serde(rename = "$schema")]
    pub schema: String,
    /// The version of the format.
    #[cfg_attr(feature = "schema", schemars(extend("const" = REGISTRY_FORMAT)))]
    pub format: u32,
    /// What this is about.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "extension")))]
    pub kind: RegistryKind,
    /// `ext.<name>`, as the file is called.
    pub id: ExtensionId,
    /// What people call it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Line"))]
    pub title: String,
    /// Its version; null when its manifest states none.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Line>"))]
    pub version: Option<String>,
    /// Where it can be had; absent when that was not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The BLAKE3 digest of the manifest as JSON without its title, `config` and time-outs, in hexadecimal: a changed manifest is
    /// another extension.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = "^[0-9a-f]{64}$")))]
    pub manifest_digest: String,
    /// What runs it.
    pub handler: HandlerKind,
    /// Whether one process serves many requests.
    pub lifecycle: Lifecycle,
    /// How many calls it takes at once.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1024)))]
    pub concurrency: u32,
    /// What it can do.
    pub capabilities: RegistryAbilities,
    /// JSON Schema (2020-12) of its inputs; one that holds for anything when its manifest has none.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::AnySchema"))]
    pub inputs_schema: Value,
    /// JSON Schema (2020-12) of the options that only a profile can set; absent when it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::AnySchema>"))]
    pub options_schema: Option<Value>,
    /// JSON Schema (2020-12) of the settings in its manifest; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::AnySchema>"))]
    pub config_schema: Option<Value>,
    /// The secrets that it wants, by name.
    pub secrets: Vec<RegistrySecret>,
    /// What it needs of the machine that runs it.
    pub requires: RegistryRequirements,
    /// What it was shown to hold; absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformance: Option<ConformanceStatement>,
    /// Other tools' own members, and in a file that is not sound whatever is not known.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub foreign: Object,
}

impl RegistryExtension {
    /// What a manifest says. `handler` is what its handler was understood as, and `digest` the manifest's.
    pub fn new(manifest: &Manifest, handler: HandlerKind, digest: String) -> Self {
        let secret = |(name, declared): (&String, &crate::SecretDeclaration)| RegistrySecret {
            name: name.clone(),
            required: declared.required,
            verbs: declared.verbs.clone(),
        };
        Self {
            schema: RegistryKind::Extension.schema_address().to_owned(),
            format: REGISTRY_FORMAT,
            kind: RegistryKind::Extension,
            id: manifest.id.clone(),
            title: manifest.title.clone(),
            version: manifest.version.clone(),
            source: None,
            manifest_digest: digest,
            handler,
            lifecycle: manifest.lifecycle,
            concurrency: manifest.concurrency.unwrap_or(1),
            capabilities: RegistryAbilities::of(&manifest.capabilities),
            inputs_schema: manifest.inputs_schema.clone().unwrap_or_else(|| json!({})),
            options_schema: manifest.options_schema.clone(),
            config_schema: manifest.config_schema.clone(),
            secrets: manifest.secrets.iter().map(secret).collect(),
            requires: RegistryRequirements::of(manifest, handler),
            conformance: None,
            foreign: Object::new(),
        }
    }

    /// What stands in the manifest's `python` and is left out here, since it names a place of one machine or may bear a
    /// secret.
    pub fn left_out(manifest: &Manifest) -> Vec<&str> {
        let python = manifest.python.iter();
        let texts = python.flat_map(|python| python.interpreter.iter().chain(&python.requirements));
        texts.map(String::as_str).filter(|text| is_private(text)).collect()
    }
}

impl RegistryRequirements {
    fn of(manifest: &Manifest, handler: HandlerKind) -> Self {
        let asked = || manifest.python.clone().unwrap_or_default();
        Self {
            environment: manifest.env.as_ref().map(|env| env.pass.clone()).unwrap_or_default(),
            python: (handler == HandlerKind::Python).then(|| RegistryPython::of(asked())),
        }
    }
}

impl RegistryPython {
    fn of(asked: PythonEnvironment) -> Self {
        Self {
            version: PYTHON.to_owned(),
            interpreter: asked.interpreter.filter(|name| !is_private(name)),
            packages: asked.requirements.into_iter().filter(|package| !is_private(package)).collect(),
        }
    }
}
