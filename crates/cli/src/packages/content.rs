//! What a package brings, and whether it is sound.

use super::name::PackageName;
use crate::config::Config;
use crate::error::CommandResult;
use crate::wiring::catalog_over;
use sandboxer_broker::catalog::{Catalog, CatalogProfile, Layer, Listing, Origin, TrustSurvey, survey_package};
use sandboxer_types::source::Fault;
use sandboxer_types::{ExtensionId, Failure};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The version of an extension, as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Version {
    /// Whose.
    pub(crate) extension: ExtensionId,
    /// Which, where it is said.
    pub(crate) version: Option<String>,
}

/// A package in some folder.
#[derive(Debug)]
pub(crate) struct Content {
    /// The folder, without links.
    pub(crate) root: PathBuf,
    /// What trust in it would allow, and the digest of every file.
    pub(crate) survey: TrustSurvey,
    /// Of each of its extensions that is sound.
    pub(crate) versions: Vec<Version>,
}

impl Content {
    /// Looks at a package, sound or not. `name` is the installed one that it is, or would replace.
    pub(crate) fn look(config: &Config, root: &Path, name: &PackageName) -> CommandResult<Self> {
        let survey = survey_package(root).map_err(Failure::from)?;
        let root = PathBuf::from(&survey.directory);
        let catalog = catalog_over(config, &root, name);
        let versions = versions(&catalog, &root);
        Ok(Self { root, survey, versions })
    }

    /// Looks at a package that is to be added. One with any fault is refused with all of them.
    pub(crate) fn check(config: &Config, root: &Path, name: &PackageName) -> CommandResult<Self> {
        let content = Self::look(config, root, name)?;
        let catalog = catalog_over(config, &content.root, name);
        let prefix = format!("{}/", content.root.display());
        let mut faults: Vec<Fault> = catalog.check();
        faults.retain(|fault| fault.file.starts_with(&prefix));
        faults.extend(over_built_in(&catalog, &content.root));
        if faults.is_empty() {
            return Ok(content);
        }
        for fault in &mut faults {
            fault.file = fault.file.replace(&prefix, "");
            fault.message = fault.message.replace(&prefix, "");
            fault.hint = fault.hint.take().map(|hint| hint.replace(&prefix, ""));
        }
        Err(refusal(&faults).into())
    }

    /// What it says by name to the catalog: kinds and ids.
    pub(crate) fn entries(&self) -> BTreeSet<String> {
        let files = self.survey.files.keys().filter_map(|path| entry_of(path));
        files.chain(self.survey.hosts.iter().map(|host| format!("host `{}`", host.id))).collect()
    }

    /// Whether it is the same, file by file.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.survey.files == other.survey.files && self.executables() == other.executables()
    }

    fn executables(&self) -> BTreeMap<&str, bool> {
        let is_executable = |path: &String| {
            std::fs::metadata(self.root.join(path)).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
        };
        self.survey.files.keys().map(|path| (path.as_str(), is_executable(path))).collect()
    }
}

/// `extension `ext.demo`` of `extensions/ext.demo.yaml`, and the like of profiles.
fn entry_of(path: &str) -> Option<String> {
    let (folder, file) = path.split_once('/')?;
    let id = file.strip_suffix(".yaml")?;
    match folder {
        "extensions" if id.starts_with("ext.") => Some(format!("extension `{id}`")),
        "profiles" if id.starts_with("profile.") => Some(format!("profile `{id}`")),
        _ => None,
    }
}

/// The ids of the extensions that the files in a package promise.
pub(crate) fn extension_ids(root: &Path) -> Vec<String> {
    let names = std::fs::read_dir(root.join("extensions")).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut ids: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".yaml").filter(|id| id.starts_with("ext.")).map(str::to_owned))
        .collect();
    ids.sort();
    ids
}

fn versions(catalog: &Catalog, root: &Path) -> Vec<Version> {
    let folder = root.join("extensions");
    let listed = catalog.extensions();
    let sound = listed.iter().filter_map(|listing| match listing {
        Listing::Sound(extension) if extension.origin.folder.as_ref() == Some(&folder) => Some(*extension),
        Listing::Sound(_) | Listing::Broken { .. } | Listing::Inert { .. } => None,
    });
    sound
        .map(|extension| Version { extension: extension.id().clone(), version: extension.manifest.version.clone() })
        .collect()
}

/// A user may put a profile or a host in the place of what is built in; whoever made a package may not, since `run`
/// would mean something else without the user's having typed anything else. Of extensions the catalog itself says so.
fn over_built_in(catalog: &Catalog, root: &Path) -> Vec<Fault> {
    let fault = |file: &str, id: &str| {
        let fault = Fault::of_file(file, format!("`{id}` is built in, and a package may not replace it"));
        fault.with_hint("give it an id of its own")
    };
    let is_ours = |file: &str| Path::new(file).starts_with(root);
    let replaces = |shadows: &[Origin]| shadows.iter().any(|origin| origin.layer == Layer::BuiltIn);
    let mut faults = Vec::new();
    for listing in catalog.profiles() {
        if let Listing::Sound(CatalogProfile { profile, origin, shadows, .. }) = listing
            && is_ours(&origin.file)
            && replaces(shadows)
        {
            faults.push(fault(&origin.file, profile.id.as_str()));
        }
    }
    for listing in catalog.hosts() {
        if let Listing::Sound(host) = listing
            && is_ours(&host.origin.file)
            && replaces(&host.shadows)
        {
            faults.push(fault(&host.origin.file, host.host.id.as_str()));
        }
    }
    faults
}

fn refusal(faults: &[Fault]) -> Failure {
    let count = if faults.len() == 1 { "a fault".to_owned() } else { format!("{} faults", faults.len()) };
    let mut failure = Failure::invalid_input(format!("the package has {count}, and was not added"));
    failure.causes = faults.iter().map(ToString::to_string).collect();
    let faults = faults.iter().filter_map(|fault| serde_json::to_value(fault).ok()).collect();
    failure.details.insert("faults".to_owned(), serde_json::Value::Array(faults));
    failure
}
