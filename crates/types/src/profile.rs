//! A profile: `profiles/profile.<slug>.yaml`, what a sandbox of that name is.

use crate::capabilities::word_enum;
use crate::{ByteSize, ExtensionId, IsolationLevel, Object, ProfileId, TimeSpan};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What a caller may set, and what holds when nothing is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct ProfileInputs {
    /// What holds when the caller says nothing.
    #[serde(default)]
    pub defaults: Object,
    /// What a caller may set; all that the extension's schema has when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<crate::schema::Line>>"))]
    pub allow: Option<Vec<String>>,
}

/// How long its sandboxes live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct TtlPolicy {
    /// When the caller says nothing.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Span"))]
    pub default: TimeSpan,
    /// At most, extensions included.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Span"))]
    pub max: TimeSpan,
}

impl Default for TtlPolicy {
    fn default() -> Self {
        Self { default: TimeSpan::seconds(3600), max: TimeSpan::seconds(24 * 3600) }
    }
}

/// The most a sandbox may use; what is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Resources {
    /// Processors, in whole numbers and fractions: `1.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0)))]
    pub cpus: Option<f64>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Size>"))]
    pub memory: Option<ByteSize>,
    /// Processes and threads of its commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 4_194_304)))]
    pub pids: Option<u64>,
    /// Disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Size>"))]
    pub disk: Option<ByteSize>,
}

/// What a sandbox may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Network {
    /// Nothing, not even the host.
    #[default]
    None,
    /// Whatever the host can reach.
    Host,
    /// These destinations only.
    Allow(Vec<String>),
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Host => serializer.serialize_str("host"),
            Self::Allow(destinations) => BTreeMap::from([("allow", destinations)]).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NetworkVisitor;

        impl<'de> serde::de::Visitor<'de> for NetworkVisitor {
            type Value = Network;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`none`, `host` or `{allow: [destination, …]}`")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Network, E> {
                match word {
                    "none" => Ok(Network::None),
                    "host" => Ok(Network::Host),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Network, A::Error> {
                use serde::de::Error;
                let Some(key) = map.next_key::<String>()? else {
                    return Err(A::Error::missing_field("allow"));
                };
                if key != "allow" {
                    return Err(A::Error::unknown_field(&key, &["allow"]));
                }
                let destinations = map.next_value()?;
                match map.next_key::<String>()? {
                    None => Ok(Network::Allow(destinations)),
                    Some(more) => Err(A::Error::unknown_field(&more, &["allow"])),
                }
            }
        }

        deserializer.deserialize_any(NetworkVisitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Network {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let destinations = generator.subschema_for::<crate::schema::Destination>();
        schemars::json_schema!({
            "description": "What a sandbox may reach.",
            "anyOf": [
                {"const": "none", "description": "Nothing, not even the host."},
                {"const": "host", "description": "Whatever the host can reach."},
                {
                    "type": "object",
                    "description": "These destinations only.",
                    "properties": {
                        "allow": {
                            "type": "array", "items": destinations, "minItems": 1, "uniqueItems": true,
                            "description": "Host names, addresses and networks, each with or without a port.",
                        },
                    },
                    "required": ["allow"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

word_enum!(
    /// How a folder of the host appears inside.
    ExposeMode, "mode" {
        /// It can be read.
        Ro = "ro",
        /// It can be written, and what is written is thrown away.
        Overlay = "overlay",
    }
);

/// A folder of the host that can be seen inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Expose {
    /// Which; `~` is the home of who runs sandboxer.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::HomeFolder"))]
    pub path: String,
    /// How.
    pub mode: ExposeMode,
}

/// A secret, by reference: the value is given at create and never stored in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct SecretReference {
    /// Its name.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Name"))]
    pub name: String,
    /// The variable that holds it inside.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Variable"))]
    pub env: String,
}

/// A folder kept from one sandbox to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Cache {
    /// Its name.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Name"))]
    pub name: String,
    /// Where it appears inside.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Folder"))]
    pub path: String,
    /// With whom it is shared.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Name"))]
    pub share: String,
}

/// What a sandbox of a name is. Only `id` and one of `extension` and `candidates` are required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Profile {
    /// `profile.<slug>`, as the file is called.
    pub id: ProfileId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Line>"))]
    pub title: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Text>"))]
    pub description: Option<String>,
    /// Who makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "ExtensionId"))]
    pub extension: Option<ExtensionId>,
    /// Who may make it, when routing chooses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1, "uniqueItems" = true)))]
    pub candidates: Vec<ExtensionId>,
    /// The least isolation it accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationLevel>,
    /// What a caller may set.
    #[serde(default)]
    pub inputs: ProfileInputs,
    /// How long its sandboxes live.
    #[serde(default)]
    pub ttl: TtlPolicy,
    /// The most a sandbox may use.
    #[serde(default)]
    pub resources: Resources,
    /// What a sandbox may reach.
    #[serde(default)]
    pub network: Network,
    /// Folders of the host that can be seen inside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<Expose>,
    /// Folders kept from one sandbox to the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// Environment of its commands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, crate::schema::Text>"))]
    #[cfg_attr(feature = "schema", schemars(extend("propertyNames" = {"pattern": crate::schema::VARIABLE})))]
    pub env: BTreeMap<String, String>,
    /// Secrets its commands see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretReference>,
    /// Where its commands run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Folder>"))]
    pub workdir: Option<String>,
    /// Settings of the extension that a caller cannot touch.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub options: Object,
    /// Commands run once, before it is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Command>"))]
    pub setup: Vec<Vec<String>>,
    /// Labels its sandboxes bear.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, crate::schema::LabelValue>"))]
    #[cfg_attr(feature = "schema", schemars(extend("propertyNames" = crate::schema::label_keys())))]
    pub labels: BTreeMap<String, String>,
}

impl Profile {
    /// A member of `options`, when it is set.
    pub fn option(&self, key: &str) -> Option<&Value> {
        self.options.get(key)
    }
}
