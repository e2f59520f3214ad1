//! `sandboxer registry export`: write what the catalog has into a registry.

use super::folder::Folder;
use super::record::{Record, foreign};
use super::reports::{self, GivenReport};
use super::select::{Selection, select};
use crate::config::Config;
use crate::error::CommandResult;
use crate::ui::Output;
use crate::ui::text::harmless;
use clap::Args;
use sandboxer_types::Failure;
use sandboxer_types::registry::{INDEX_FILE, RegistryExtension, RegistryIndex, RegistryProfile, check_source};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `registry export` takes.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Only this extension, with or without `ext.`, and the profiles that it makes
    #[arg(value_name = "EXT")]
    pub(super) extension: Option<String>,
    /// Directory to write into
    #[arg(long, value_name = "DIR", default_value = "registry")]
    out: PathBuf,
    /// What is compiled in, instead of what files offer
    #[arg(long)]
    pub(super) built_in: bool,
    /// Report of `sandboxer ext test`, for the statement of conformance; repeatable
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Where all of it can be had; kept by later exports
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// Remove the files of extensions and profiles that are gone
    #[arg(long, conflicts_with = "extension")]
    prune: bool,
}

/// What became of the files of a registry, by their names.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    directory: String,
    written: Vec<String>,
    unchanged: Vec<String>,
    removed: Vec<String>,
    stale: Vec<String>,
    notes: Vec<String>,
}

/// Does not say the address: there may be a secret in it.
fn check_given_source(arguments: &ExportArguments) -> CommandResult<()> {
    arguments.source.as_deref().map_or(Ok(()), check_source).map_err(|why| {
        Failure::invalid_input(format!("what `--source` says is no address for others: {why}"))
            .with_hint("write it as `https://example.org/app.git`")
            .into()
    })
}

/// Writes the files, then the index of all that is there.
pub(super) fn export(config: &Config, arguments: &ExportArguments, output: &Output) -> CommandResult<ExitCode> {
    check_given_source(arguments)?;
    let folder = Folder::new(&config.working_directory, &arguments.out);
    let given = reports::read(&config.working_directory, &arguments.report)?;
    let mut outcome = Outcome { directory: folder.name(), ..Outcome::default() };
    let selection = select(config, arguments, &mut outcome.notes)?;
    let gone = if arguments.extension.is_some() { Vec::new() } else { gone(&folder, &selection)? };
    if selection.is_empty() && gone.is_empty() {
        say_notes(&outcome, output);
        return Err(Failure::invalid_input("there is nothing to export")
            .with_hint("`--catalog DIR` names a directory of extensions, `--built-in` means what is compiled in")
            .into());
    }
    folder.make()?;
    let exported: Vec<&RegistryExtension> = selection.extensions.iter().collect();
    reports::note_strays(&given, &exported, &mut outcome.notes);
    for extension in &selection.extensions {
        let extension = completed_extension(&folder, extension.clone(), arguments, &given, &mut outcome.notes)?;
        write(&folder, &format!("{}.json", extension.id), &extension, &mut outcome)?;
    }
    for profile in &selection.profiles {
        let profile = completed_profile(&folder, profile.clone(), arguments, &mut outcome.notes)?;
        write(&folder, &format!("{}.json", profile.id), &profile, &mut outcome)?;
    }
    if arguments.prune {
        gone.iter().try_for_each(|name| folder.remove(name))?;
        outcome.removed = gone;
    } else {
        outcome.stale = gone;
    }
    let index = index(&folder, &mut outcome.notes)?;
    write(&folder, INDEX_FILE, &index, &mut outcome)?;
    say_notes(&outcome, output);
    Ok(output.data(&outcome, || describe(&outcome)))
}

/// The files whose extension or profile is nowhere any more. What is only broken or not trusted is not gone.
fn gone(folder: &Folder, selection: &Selection) -> CommandResult<Vec<String>> {
    let is_gone = |name: &String| name.strip_suffix(".json").is_some_and(|id| !selection.known.contains(id));
    Ok(folder.names()?.into_iter().filter(is_gone).collect())
}

/// The record that is there already, for what only it knows.
fn earlier(folder: &Folder, name: &str, notes: &mut Vec<String>) -> CommandResult<Option<Record>> {
    let Some(bytes) = folder.read(name)? else { return Ok(None) };
    Ok(Record::read(name, &bytes)
        .inspect_err(|why| notes.push(format!("`{}` could not be read and is written anew: {why}", folder.shown(name))))
        .ok())
}

/// With what was said before and still holds: its source, other tools' members, and what it was shown to hold.
fn completed_extension(
    folder: &Folder,
    mut extension: RegistryExtension,
    arguments: &ExportArguments,
    given: &[GivenReport],
    notes: &mut Vec<String>,
) -> CommandResult<RegistryExtension> {
    let name = format!("{}.json", extension.id);
    extension.conformance = reports::statement(given, &extension, notes);
    let mut said = None;
    if let Some(Record::Extension(before)) = earlier(folder, &name, notes)? {
        said = before.source;
        extension.foreign = foreign(before.foreign);
        if extension.conformance.is_none()
            && let Some(stated) = before.conformance
        {
            let holds = stated.version == extension.version && before.manifest_digest == extension.manifest_digest;
            if holds {
                extension.conformance = Some(stated);
            } else {
                let (of, id) = (reports::version(stated.version.as_deref()), &extension.id);
                notes.push(format!(
                    "what `{id}` was shown to hold is dropped: it was about {of} with another manifest; test it again"
                ));
            }
        }
    }
    extension.source = arguments.source.clone().or(said).or(extension.source);
    Ok(extension)
}

fn completed_profile(
    folder: &Folder,
    mut profile: RegistryProfile,
    arguments: &ExportArguments,
    notes: &mut Vec<String>,
) -> CommandResult<RegistryProfile> {
    let name = format!("{}.json", profile.id);
    let mut said = None;
    if let Some(Record::Profile(before)) = earlier(folder, &name, notes)? {
        said = before.source;
        profile.foreign = foreign(before.foreign);
    }
    profile.source = arguments.source.clone().or(said).or(profile.source);
    Ok(profile)
}

/// The index of everything that is there, of earlier exports too.
fn index(folder: &Folder, notes: &mut Vec<String>) -> CommandResult<RegistryIndex> {
    let mut entries = Vec::new();
    for name in folder.names()? {
        let Some(bytes) = folder.read(&name)? else { continue };
        match Record::read(&name, &bytes) {
            Ok(record) => entries.push(record.entry(&bytes)),
            Err(why) => notes.push(format!("`{}` is left out of the index: {why}", folder.shown(&name))),
        }
    }
    let mut index = RegistryIndex::new(entries);
    if let Some(before) = folder.read(INDEX_FILE)?
        && let Ok(before) = serde_json::from_slice::<RegistryIndex>(&before)
    {
        index.foreign = foreign(before.foreign);
    }
    Ok(index)
}

fn write(folder: &Folder, name: &str, document: &impl Serialize, outcome: &mut Outcome) -> CommandResult<()> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::invalid_input(format!("`{name}` cannot be written as JSON")).caused_by(&error))?;
    let text = text + "\n";
    if folder.read(name)?.is_some_and(|before| before == text.as_bytes()) {
        outcome.unchanged.push(name.to_owned());
        return Ok(());
    }
    folder.write(name, text.as_bytes())?;
    outcome.written.push(name.to_owned());
    Ok(())
}

fn say_notes(outcome: &Outcome, output: &Output) {
    outcome.notes.iter().for_each(|note| output.warning(&harmless(note)));
    for name in &outcome.stale {
        output.warning(&format!("nothing in the catalog is called as `{}` says; `--prune` removes it", harmless(name)));
    }
}

fn describe(outcome: &Outcome) -> String {
    let directory = std::path::Path::new(&outcome.directory);
    let groups = [
        ("wrote", &outcome.written),
        ("unchanged", &outcome.unchanged),
        ("removed", &outcome.removed),
        ("stale", &outcome.stale),
    ];
    let line = |word: &str, name: &String| harmless(&format!("{word:<11}{}", directory.join(name).display()));
    groups
        .iter()
        .flat_map(|(word, names)| names.iter().map(move |name| line(word, name)))
        .collect::<Vec<_>>()
        .join("\n")
}
