//! Compares a directory with what was trusted in it.

use super::book::TrustBook;
use super::digest::{Digests, canonical, digest_of};
use crate::catalog::files::{FoundFile, FoundHosts};
use crate::catalog::miss::{Inertness, Kind};
use sandboxer_types::source::Fault;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory, and what was trusted in it.
pub(in crate::catalog) struct Watch<'a> {
    directory: PathBuf,
    trusted: Option<&'a BTreeMap<String, String>>,
    neighbours: OnceCell<bool>,
    /// What has changed in a package, once it was looked at; nothing for other directories.
    package: Option<OnceCell<Option<String>>>,
}

impl<'a> Watch<'a> {
    pub(in crate::catalog) fn new(book: &'a TrustBook, directory: &Path) -> Self {
        match canonical(directory) {
            Ok((directory, name)) => {
                Self { directory, trusted: book.files(&name), neighbours: OnceCell::new(), package: None }
            }
            Err(_) => {
                Self { directory: directory.to_owned(), trusted: None, neighbours: OnceCell::new(), package: None }
            }
        }
    }

    /// Of a package any change counts: its handlers may run whatever lies in it, and nobody but `ext add` writes there.
    pub(in crate::catalog) fn of_package(book: &'a TrustBook, folder: &Path) -> Self {
        Self { package: Some(OnceCell::new()), ..Self::new(book, folder) }
    }

    /// Why the file is inert, if it is.
    pub(in crate::catalog) fn inertness(&self, file: &FoundFile) -> Option<Inertness> {
        self.compare(&format!("{}/{}.yaml", file.kind.folder(), file.id), &file.text)
    }

    /// Why the file of hosts is inert, if it is.
    pub(in crate::catalog) fn inertness_of_hosts(&self, hosts: &FoundHosts) -> Option<Inertness> {
        self.compare(Kind::Host.folder(), &hosts.text)
    }

    /// A file that could not be read cannot have been trusted.
    fn compare(&self, below: &str, text: &Result<Arc<str>, Fault>) -> Option<Inertness> {
        let known = self.trusted.and_then(|trusted| trusted.get(below));
        let is_package = self.package.is_some() && self.trusted.is_some();
        match (known, text) {
            (Some(known), Ok(text)) if *known == digest_of(text.as_bytes()) => {
                let file = self.change_in_package()?;
                Some(Inertness::PackageChanged { file: file.to_owned() })
            }
            _ if is_package => Some(Inertness::PackageChanged { file: below.to_owned() }),
            (Some(_), _) => Some(Inertness::Changed),
            (None, _) => Some(Inertness::NotTrusted),
        }
    }

    /// The first file of a package that is not what was trusted, was added since, or is gone.
    fn change_in_package(&self) -> Option<&str> {
        let look = || {
            let now = Digests::of_package(&self.directory);
            if let Some(fault) = now.refused.first() {
                let below = Path::new(&fault.file).strip_prefix(&self.directory);
                return Some(below.map_or_else(|_| fault.file.clone(), |below| below.display().to_string()));
            }
            let trusted = self.trusted?;
            let differs = |(path, digest): &(&String, &String)| trusted.get(*path) != Some(*digest);
            let changed = now.files.iter().find(differs).map(|(path, _)| path);
            changed.or_else(|| trusted.keys().find(|path| !now.files.contains_key(*path))).cloned()
        };
        self.package.as_ref()?.get_or_init(look).as_deref()
    }

    /// Whether everything in `extensions/` that is no manifest is what was trusted: a handler may run or import any of
    /// it, also what was added since. Looked at once, and only when a trusted manifest has a handler that is not built in.
    pub(in crate::catalog) fn neighbours_are_unchanged(&self) -> bool {
        // Those of a package were looked at with the rest of it.
        if self.package.is_some() {
            return true;
        }
        *self.neighbours.get_or_init(|| {
            let Some(trusted) = self.trusted else { return false };
            let now = Digests::of_folder(&self.directory, Kind::Extension.folder());
            now.refused.is_empty() && neighbours(&now.files).eq(neighbours(trusted))
        })
    }
}

fn neighbours(files: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    files.iter().map(|(path, digest)| (path.as_str(), digest.as_str())).filter(|(path, _)| is_neighbour(path))
}

fn is_neighbour(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("extensions/") else { return false };
    let manifest = rest.starts_with(Kind::Extension.prefix()) && rest.ends_with(".yaml") && !rest.contains('/');
    !manifest
}
