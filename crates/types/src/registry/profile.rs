//! What the registry says of a profile: `registry/profile.<slug>.json`.

use super::inputs::settable;
use super::{REGISTRY_FORMAT, RegistryAbilities, RegistryKind};
use crate::{ExtensionId, Manifest, Network, Object, Profile, ProfileId, Resources, SecretReference, TtlPolicy};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An extension that can make a profile's sandboxes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub struct RegistryBinding {
    /// Which.
    pub extension: ExtensionId,
    /// JSON Schema (2020-12) of the inputs that a caller may then set, with the profile's defaults. Which of them go
    /// together, the extension's own schema says.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::AnySchema"))]
    pub inputs_schema: Value,
}

/// What the registry says of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("patternProperties" = {"^x-": true}, "additionalProperties" = false)))]
pub struct RegistryProfile {
    /// The JSON Schema of this file.
    #[serde(rename = "$schema")]
    pub schema: String,
    /// The version of the format.
    #[cfg_attr(feature = "schema", schemars(extend("const" = REGISTRY_FORMAT)))]
    pub format: u32,
    /// What this is about.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "profile")))]
    pub kind: RegistryKind,
    /// `profile.<slug>`, as the file is called.
    pub id: ProfileId,
    /// What people call it; null when it does not say.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Line>"))]
    pub title: Option<String>,
    /// What it is for; null when it does not say.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Text>"))]
    pub description: Option<String>,
    /// Where it can be had; absent when that was not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Who can make its sandboxes, in the order in which they are tried, and what a caller may set.
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1)))]
    pub bindings: Vec<RegistryBinding>,
    /// What its sandboxes can do, whoever makes them.
    pub capabilities: RegistryAbilities,
    /// What its sandboxes may reach.
    pub network: Network,
    /// How long its sandboxes live.
    pub ttl: TtlPolicy,
    /// The most that a sandbox may use; what is absent is not limited.
    pub resources: Resources,
    /// Where its commands run; null when that is up to the extension.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Folder>"))]
    pub workdir: Option<String>,
    /// Whether folders of the host can be seen inside.
    pub exposes_host_folders: bool,
    /// The secrets that its commands see, by name.
    pub secrets: Vec<SecretReference>,
    /// Other tools' own members, and in a file that is not sound whatever is not known.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub foreign: Object,
}

impl RegistryProfile {
    /// What a profile says, made by those of its extensions that exist and suit it.
    pub fn new(profile: &Profile, extensions: &[&Manifest]) -> Self {
        let anything = json!({});
        let binding = |manifest: &&Manifest| RegistryBinding {
            extension: manifest.id.clone(),
            inputs_schema: settable(manifest.inputs_schema.as_ref().unwrap_or(&anything), &profile.inputs),
        };
        let abilities: Vec<_> = extensions.iter().map(|manifest| &manifest.capabilities).collect();
        Self {
            schema: RegistryKind::Profile.schema_address().to_owned(),
            format: REGISTRY_FORMAT,
            kind: RegistryKind::Profile,
            id: profile.id.clone(),
            title: profile.title.clone(),
            description: profile.description.clone(),
            source: None,
            bindings: extensions.iter().map(binding).collect(),
            capabilities: RegistryAbilities::common(&abilities, profile.isolation.as_ref()),
            network: profile.network.clone(),
            ttl: profile.ttl,
            resources: profile.resources.clone(),
            workdir: profile.workdir.clone(),
            exposes_host_folders: !profile.expose.is_empty(),
            secrets: profile.secrets.clone(),
            foreign: Object::new(),
        }
    }
}
