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
}

impl<'a> Watch<'a> {
    pub(in crate::catalog) fn new(book: &'a TrustBook, directory: &Path) -> Self {
        match canonical(directory) {
            Ok((directory, name)) => Self { directory, trusted: book.files(&name), neighbours: OnceCell::new() },
            Err(_) => Self { directory: directory.to_owned(), trusted: None, neighbours: OnceCell::new() },
        }
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
        match (known, text) {
            (Some(known), Ok(text)) if *known == digest_of(text.as_bytes()) => None,
            (Some(_), _) => Some(Inertness::Changed),
            (None, _) => Some(Inertness::NotTrusted),
        }
    }

    /// Whether everything in `extensions/` that is no manifest is what was trusted: a handler may run or import any of
    /// it, also what was added since. Looked at once, and only when a trusted manifest has a handler that is not built in.
    pub(in crate::catalog) fn neighbours_are_unchanged(&self) -> bool {
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
