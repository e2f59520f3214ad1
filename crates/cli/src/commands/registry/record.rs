//! A file of a registry, and what can be wrong with it.

use sandboxer_broker::catalog::document_faults;
use sandboxer_types::Object;
use sandboxer_types::registry::{
    FOREIGN_PREFIX, REGISTRY_FORMAT, RegistryEntry, RegistryExtension, RegistryIndex, RegistryKind, RegistryProfile,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a file says of an extension or a profile.
pub(super) enum Record {
    Extension(Box<RegistryExtension>),
    Profile(Box<RegistryProfile>),
}

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RecordFault {
    /// Which, as messages name it.
    pub(super) file: String,
    /// Which member, as keys and indexes joined by `.`; none for the file as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) member: String,
    /// What is wrong.
    pub(super) message: String,
}

impl RecordFault {
    pub(super) fn new(file: &str, member: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), member: member.into(), message: message.into() }
    }
}

impl Record {
    /// Reads what can be understood, without asking whether all of it is as it should be.
    pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let record = match kind_of(name) {
            RegistryKind::Profile => serde_json::from_slice(bytes).map(|record| Self::Profile(Box::new(record))),
            _ => serde_json::from_slice(bytes).map(|record| Self::Extension(Box::new(record))),
        };
        let record = record.map_err(|error| error.to_string())?;
        if record.file() == name { Ok(record) } else { Err(format!("it is about `{}`", record.id())) }
    }

    /// Reads a file that must be right in every respect that can be seen from it alone. `shown` is its name in messages.
    pub(super) fn check(name: &str, shown: &str, bytes: &[u8]) -> Result<Self, Vec<RecordFault>> {
        let record = match kind_of(name) {
            RegistryKind::Profile => Self::Profile(Box::new(document(RegistryKind::Profile, shown, bytes)?)),
            kind => Self::Extension(Box::new(document(kind, shown, bytes)?)),
        };
        if record.file() != name {
            return Err(vec![RecordFault::new(shown, "id", format!("belongs to a file called `{}`", record.file()))]);
        }
        match &record {
            Self::Extension(extension)
                if extension.conformance.as_ref().is_some_and(|stated| stated.version != extension.version) =>
            {
                let message = "is of another version than the extension's";
                Err(vec![RecordFault::new(shown, "conformance.version", message)])
            }
            _ => Ok(record),
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Extension(extension) => extension.id.as_str(),
            Self::Profile(profile) => profile.id.as_str(),
        }
    }

    /// The name of its file.
    pub(super) fn file(&self) -> String {
        format!("{}.json", self.id())
    }

    /// Its entry in the index, when its file holds these bytes.
    pub(super) fn entry(&self, bytes: &[u8]) -> RegistryEntry {
        match self {
            Self::Extension(extension) => RegistryEntry::of_extension(extension, blake3_of(bytes)),
            Self::Profile(profile) => RegistryEntry::of_profile(profile, blake3_of(bytes)),
        }
    }
}

/// What stands in a file's own members of others, and nothing else that is not known.
pub(super) fn foreign(members: Object) -> Object {
    members.into_iter().filter(|(name, _)| name.starts_with(FOREIGN_PREFIX)).collect()
}

/// Reads the index, which must be right in every respect that can be seen from it alone.
pub(super) fn check_index(shown: &str, bytes: &[u8]) -> Result<RegistryIndex, Vec<RecordFault>> {
    document(RegistryKind::Index, shown, bytes)
}

pub(super) fn blake3_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn kind_of(name: &str) -> RegistryKind {
    if name.starts_with("profile.") { RegistryKind::Profile } else { RegistryKind::Extension }
}

const fn schema_of(kind: RegistryKind) -> &'static str {
    match kind {
        RegistryKind::Extension => include_str!("../../../../../schemas/registry-extension.schema.json"),
        RegistryKind::Profile => include_str!("../../../../../schemas/registry-profile.schema.json"),
        RegistryKind::Index => include_str!("../../../../../schemas/registry-index.schema.json"),
    }
}

fn document<T: DeserializeOwned>(kind: RegistryKind, shown: &str, bytes: &[u8]) -> Result<T, Vec<RecordFault>> {
    let whole = |message: String| vec![RecordFault::new(shown, "", message)];
    let value: Value = serde_json::from_slice(bytes).map_err(|error| whole(format!("is not JSON: {error}")))?;
    match value.get("format").and_then(Value::as_u64) {
        Some(format) if format > u64::from(REGISTRY_FORMAT) => {
            let message = format!("is {format}, which only a newer `sandboxer` reads");
            return Err(vec![RecordFault::new(shown, "format", message)]);
        }
        _ => {}
    }
    let schema: Value = serde_json::from_str(schema_of(kind)).map_err(|error| whole(error.to_string()))?;
    let faults: Vec<RecordFault> = document_faults(&schema, &value)
        .into_iter()
        .map(|fault| {
            let meant = fault.nearest.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            RecordFault::new(shown, fault.member, fault.message + &meant)
        })
        .collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    serde_json::from_value(value).map_err(|error| whole(format!("cannot be read: {error}")))
}
