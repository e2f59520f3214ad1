//! Reports of the conformance suite, as far as they are about what is exported.

use crate::error::{CommandResult, local_fault};
use sandboxer_types::registry::{ConformanceStatement, RegistryExtension};
use sandboxer_types::{ConformanceReport, Failure};
use std::path::{Path, PathBuf};

/// A report, and the file it stands in.
pub(super) struct GivenReport {
    shown: String,
    report: ConformanceReport,
}

/// Reads them. One that cannot be read is an error: somebody asked for it.
pub(super) fn read(working_directory: &Path, files: &[PathBuf]) -> CommandResult<Vec<GivenReport>> {
    files.iter().map(|file| read_one(working_directory, file)).collect()
}

fn read_one(working_directory: &Path, file: &Path) -> CommandResult<GivenReport> {
    let shown = file.display().to_string();
    let bytes = std::fs::read(working_directory.join(file))
        .map_err(|error| local_fault(format!("read the report `{shown}`"), &error))?;
    let report = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::invalid_input(format!("`{shown}` is no report of the conformance suite"))
            .caused_by(&error)
            .with_hint("`sandboxer ext test EXT --report FILE` writes one")
    })?;
    Ok(GivenReport { shown, report })
}

/// The statement of the latest report about this very extension. Says of each report about another state of it why it
/// does not count.
pub(super) fn statement(
    reports: &[GivenReport],
    extension: &RegistryExtension,
    notes: &mut Vec<String>,
) -> Option<ConformanceStatement> {
    let mut latest: Option<&ConformanceReport> = None;
    for GivenReport { shown, report } in reports.iter().filter(|given| given.report.extension == extension.id) {
        let id = &extension.id;
        if report.version != extension.version {
            let (theirs, ours) = (version(report.version.as_deref()), version(extension.version.as_deref()));
            notes.push(format!("the report `{shown}` does not count: it is about {theirs} of `{id}`, which is {ours}"));
        } else if report.manifest_digest != extension.manifest_digest {
            notes.push(format!("the report `{shown}` does not count: the manifest of `{id}` has changed since"));
        } else if latest.is_none_or(|other| other.started_at < report.started_at) {
            latest = Some(report);
        }
    }
    latest.map(ConformanceStatement::from)
}

/// Says of each report that it is about nothing that is exported.
pub(super) fn note_strays(reports: &[GivenReport], exported: &[&RegistryExtension], notes: &mut Vec<String>) {
    let is_stray = |given: &&GivenReport| exported.iter().all(|extension| extension.id != given.report.extension);
    notes.extend(reports.iter().filter(is_stray).map(|given| {
        let (shown, id) = (&given.shown, &given.report.extension);
        format!("the report `{shown}` does not count: it is about `{id}`, which is not exported")
    }));
}

/// A version in words.
pub(super) fn version(version: Option<&str>) -> String {
    version.map_or_else(|| "no version".to_owned(), |version| format!("version {version}"))
}
