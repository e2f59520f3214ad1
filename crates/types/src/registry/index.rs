//! What a registry has: `registry/index.json`.

use super::{REGISTRY_FORMAT, RegistryAbilities, RegistryExtension, RegistryKind, RegistryProfile};
use crate::{ConformanceLevel, ExtensionId, IsolationLevel, Network, Object};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an extension was shown to hold, in a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub struct IndexedConformance {
    /// The highest level that was shown to hold; null when not even the first was, or not every check was run.
    pub level: Option<ConformanceLevel>,
    /// When it was tested.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub date: Timestamp,
    /// The version of the extension that was tested; null when its manifest states none.
    pub version: Option<String>,
}

/// A file of the registry, with enough to choose by. Every entry has every member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub struct RegistryEntry {
    /// What it is.
    #[cfg_attr(feature = "schema", schemars(extend("not" = {"const": "index"})))]
    pub kind: RegistryKind,
    /// Its id.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = r"^(ext|profile)\.[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$")))]
    pub id: String,
    /// What people call it; null when it does not say.
    pub title: Option<String>,
    /// Its version; null when it states none, as profiles do.
    pub version: Option<String>,
    /// The name of its file, beside the index.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = r"^(ext|profile)\.[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?\.json$")))]
    pub file: String,
    /// The BLAKE3 digest of its file, in hexadecimal.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = "^[0-9a-f]{64}$")))]
    pub blake3: String,
    /// Where it can be had; null when that was not said.
    pub source: Option<String>,
    /// Who makes its sandboxes: an extension itself does.
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1, "uniqueItems" = true)))]
    pub extensions: Vec<ExtensionId>,
    /// What its sandboxes can do.
    pub capabilities: RegistryAbilities,
    /// What sandboxes of a profile may reach; null for an extension.
    pub network: Option<Network>,
    /// What an extension was shown to hold; null when nothing was, and for a profile.
    pub conformance: Option<IndexedConformance>,
}

/// What a registry has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("patternProperties" = {"^x-": true}, "additionalProperties" = false)))]
pub struct RegistryIndex {
    /// The JSON Schema of this file.
    #[serde(rename = "$schema")]
    pub schema: String,
    /// The version of the format.
    #[cfg_attr(feature = "schema", schemars(extend("const" = REGISTRY_FORMAT)))]
    pub format: u32,
    /// What this is about.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "index")))]
    pub kind: RegistryKind,
    /// The levels of isolation, weakest first, to compare by their places. One that is not here compares with no other.
    pub isolation_order: Vec<String>,
    /// Every file, by the name.
    pub entries: Vec<RegistryEntry>,
    /// Other tools' own members, and in a file that is not sound whatever is not known.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub foreign: Object,
}

impl RegistryEntry {
    /// Of an extension, whose file has this digest.
    pub fn of_extension(extension: &RegistryExtension, blake3: String) -> Self {
        let indexed = |statement: &super::ConformanceStatement| IndexedConformance {
            level: statement.level,
            date: statement.date,
            version: statement.version.clone(),
        };
        Self {
            kind: RegistryKind::Extension,
            id: extension.id.to_string(),
            title: Some(extension.title.clone()),
            version: extension.version.clone(),
            file: format!("{}.json", extension.id),
            blake3,
            source: extension.source.clone(),
            extensions: vec![extension.id.clone()],
            capabilities: extension.capabilities.clone(),
            network: None,
            conformance: extension.conformance.as_ref().map(indexed),
        }
    }

    /// Of a profile, whose file has this digest.
    pub fn of_profile(profile: &RegistryProfile, blake3: String) -> Self {
        Self {
            kind: RegistryKind::Profile,
            id: profile.id.to_string(),
            title: profile.title.clone(),
            version: None,
            file: format!("{}.json", profile.id),
            blake3,
            source: profile.source.clone(),
            extensions: profile.bindings.iter().map(|binding| binding.extension.clone()).collect(),
            capabilities: profile.capabilities.clone(),
            network: Some(profile.network.clone()),
            conformance: None,
        }
    }
}

impl RegistryIndex {
    /// An index of these entries, which are put in order.
    pub fn new(mut entries: Vec<RegistryEntry>) -> Self {
        entries.sort_by(|one, other| one.file.cmp(&other.file));
        Self {
            schema: RegistryKind::Index.schema_address().to_owned(),
            format: REGISTRY_FORMAT,
            kind: RegistryKind::Index,
            isolation_order: IsolationLevel::RANKED.map(str::to_owned).to_vec(),
            entries,
            foreign: Object::new(),
        }
    }
}
