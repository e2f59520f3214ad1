//! `sandboxer registry check`: whether a registry says what is so.

use super::describe;
use super::folder::Folder;
use super::record::{Record, RecordFault, blake3_of, check_index};
use crate::config::Config;
use crate::error::{CommandError, CommandResult};
use crate::ui::Output;
use crate::ui::text::harmless;
use crate::wiring::{built_in_catalog, catalog};
use sandboxer_broker::catalog::Catalog;
use sandboxer_types::registry::{INDEX_FILE, RegistryEntry, RegistryExtension, RegistryIndex, RegistryProfile};
use sandboxer_types::{ErrorKind, Failure, Residue};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

/// A file as it was found: its bytes, and what it says when it is sound.
struct Found {
    bytes: Vec<u8>,
    record: Option<Record>,
}

/// What is known so far.
#[derive(Default)]
struct Findings {
    faults: Vec<RecordFault>,
    /// The ids of which the catalog has nothing to compare with.
    not_compared: Vec<String>,
}

/// Says every fault, and fails when there is one.
pub(super) fn check(config: &Config, directory: &Path, output: &Output) -> CommandResult<ExitCode> {
    let folder = Folder::new(&config.working_directory, directory);
    if !folder.exists() {
        return Err(Failure::new(ErrorKind::NotFound, format!("there is no directory `{}`", folder.name()))
            .with_residue(Residue::None)
            .with_hint("`sandboxer registry export` makes a registry")
            .into());
    }
    // A file over what is compiled in may set a title of its own, which our own registry need not know.
    let catalogs = [catalog(config), built_in_catalog()];
    let mut findings = Findings::default();
    let mut files = BTreeMap::new();
    for name in folder.names()? {
        let Some(bytes) = folder.read(&name)? else { continue };
        let shown = folder.shown(&name);
        let record = Record::check(&name, &shown, &bytes).map_err(|faults| findings.faults.extend(faults)).ok();
        if let Some(record) = &record {
            findings.compare_with_catalogs(&shown, record, &catalogs);
        }
        files.insert(name, Found { bytes, record });
    }
    findings.check_index(&folder, &files)?;
    findings.say(output)
}

impl Findings {
    fn compare_with_catalogs(&mut self, shown: &str, record: &Record, catalogs: &[Catalog]) {
        let expected: Vec<Value> = match record {
            Record::Extension(extension) => {
                catalogs.iter().filter_map(|catalog| now_extension(extension, catalog)).map(|now| value(&now)).collect()
            }
            Record::Profile(profile) => {
                catalogs.iter().filter_map(|catalog| now_profile(profile, catalog)).map(|now| value(&now)).collect()
            }
        };
        let said = match record {
            Record::Extension(extension) => value(extension),
            Record::Profile(profile) => value(profile),
        };
        let all: Vec<_> = expected.iter().map(|now| differences(&said, now)).collect();
        match all.iter().find(|members| members.is_empty()).or(all.first()) {
            None => self.not_compared.push(record.id().to_owned()),
            Some(members) => {
                let of = if matches!(record, Record::Extension(_)) { "the manifest" } else { "the profile" };
                let message = format!("is not what {of} says now; `sandboxer registry export` writes it anew");
                let faults = members.iter().map(|member| RecordFault::new(shown, member.clone(), message.clone()));
                self.faults.extend(faults);
            }
        }
    }

    fn check_index(&mut self, folder: &Folder, files: &BTreeMap<String, Found>) -> CommandResult<()> {
        let shown = folder.shown(INDEX_FILE);
        let Some(bytes) = folder.read(INDEX_FILE)? else {
            let message = "is missing; `sandboxer registry export` writes it";
            self.faults.push(RecordFault::new(&shown, "", message));
            return Ok(());
        };
        let index = match check_index(&shown, &bytes) {
            Ok(index) => index,
            Err(faults) => {
                self.faults.extend(faults);
                return Ok(());
            }
        };
        let wanted = RegistryIndex { foreign: index.foreign.clone(), ..RegistryIndex::new(Vec::new()) };
        let heads = differences(&value(&RegistryIndex { entries: Vec::new(), ..index.clone() }), &value(&wanted));
        self.faults.extend(heads.into_iter().map(|member| RecordFault::new(&shown, member, "is not what it must be")));
        let mut listed = BTreeSet::new();
        for (number, entry) in index.entries.iter().enumerate() {
            let place = format!("entries.{number}");
            if !listed.insert(entry.file.as_str()) {
                self.faults.push(RecordFault::new(&shown, place, format!("lists `{}` once more", entry.file)));
                continue;
            }
            self.check_entry(&shown, &place, entry, files.get(&entry.file));
        }
        for name in files.keys().filter(|name| !listed.contains(name.as_str())) {
            self.faults.push(RecordFault::new(&shown, "entries", format!("does not list `{name}`")));
        }
        Ok(())
    }

    fn check_entry(&mut self, shown: &str, place: &str, entry: &RegistryEntry, found: Option<&Found>) {
        let mut fault = |member: &str, message: String| {
            self.faults.push(RecordFault::new(shown, format!("{place}.{member}"), message))
        };
        let Some(found) = found else {
            return fault("file", format!("there is no `{}`", entry.file));
        };
        if entry.blake3 != blake3_of(&found.bytes) {
            fault("blake3", format!("is not the digest of `{}`", entry.file));
        }
        let Some(record) = &found.record else { return };
        let wanted = RegistryEntry { blake3: entry.blake3.clone(), ..record.entry(&found.bytes) };
        for member in differences(&value(entry), &value(&wanted)) {
            fault(&member, format!("is not what `{}` says", entry.file));
        }
    }

    fn say(self, output: &Output) -> CommandResult<ExitCode> {
        let Self { faults, not_compared } = self;
        let data = json!({ "faults": faults, "not_compared": not_compared });
        let code = output.data(&data, || match faults.as_slice() {
            [] => "no faults".to_owned(),
            faults => faults.iter().map(line).collect::<Vec<_>>().join("\n"),
        });
        if !not_compared.is_empty() {
            output.note(&format!("nothing usable in the catalog to compare with: {}", not_compared.join(", ")));
        }
        match faults.len() {
            0 => Ok(code),
            1 => Err(CommandError::from(Failure::invalid_input("1 fault in the registry"))),
            count => Err(CommandError::from(Failure::invalid_input(format!("{count} faults in the registry")))),
        }
    }
}

fn line(fault: &RecordFault) -> String {
    let RecordFault { file, member, message } = fault;
    harmless(&if member.is_empty() { format!("{file}: {message}") } else { format!("{file}: `{member}` {message}") })
}

/// What an export would write now, with what only the file knows.
fn now_extension(said: &RegistryExtension, catalog: &Catalog) -> Option<RegistryExtension> {
    let extension = catalog.extension(&said.id).ok()?;
    Some(RegistryExtension {
        source: said.source.clone(),
        conformance: said.conformance.clone(),
        foreign: said.foreign.clone(),
        ..describe::extension(extension)
    })
}

fn now_profile(said: &RegistryProfile, catalog: &Catalog) -> Option<RegistryProfile> {
    let profile = catalog.profile(&said.id).ok()?;
    Some(RegistryProfile {
        source: said.source.clone(),
        foreign: said.foreign.clone(),
        ..describe::profile(catalog, profile)
    })
}

/// Whatever has been read from JSON can be written as JSON.
fn value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

/// The members in which two values differ, each as deep as that can be said.
fn differences(said: &Value, wanted: &Value) -> Vec<String> {
    let (Value::Object(said), Value::Object(wanted)) = (said, wanted) else {
        return if said == wanted { Vec::new() } else { vec![String::new()] };
    };
    let names = said.keys().chain(wanted.keys().filter(|name| !said.contains_key(*name)));
    let mut members = Vec::new();
    for name in names {
        match (said.get(name), wanted.get(name)) {
            (Some(said), Some(wanted)) => {
                let deeper = differences(said, wanted).into_iter();
                members
                    .extend(deeper.map(|rest| if rest.is_empty() { name.clone() } else { format!("{name}.{rest}") }));
            }
            _ => members.push(name.clone()),
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_as_deep_as_it_can_be() {
        let said = json!({"a": 1, "b": {"c": [1], "d": 2}, "only": 0});
        assert_eq!(differences(&said, &said), Vec::<String>::new());
        let wanted = json!({"b": {"d": 2, "c": [2], "e": null}, "a": 1, "other": 0});
        assert_eq!(differences(&said, &wanted), ["b.c", "b.e", "only", "other"]);
    }
}
