//! The digests of everything that trust in a directory covers.

use crate::catalog::files::{ReadFault, open_regular};
use crate::catalog::miss::Kind;
use sandboxer_types::source::Fault;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The file of a directory that names hosts, beside its two folders.
pub(super) const HOSTS_FILE: &str = Kind::Host.folder();
/// The folders that trust covers.
pub(super) const FOLDERS: [&str; 2] = ["extensions", "profiles"];
const LARGEST: u64 = 64 * 1024 * 1024;
const LARGEST_TOTAL: u64 = 256 * 1024 * 1024;
const MOST_FILES: usize = 10_000;
const DEEPEST: usize = 32;

/// What was found in a directory: digests by path below it, and what cannot be trusted.
#[derive(Debug, Default)]
pub(super) struct Digests {
    pub(super) files: BTreeMap<String, String>,
    pub(super) refused: Vec<Fault>,
    total: u64,
}

/// The digest by which a file's content is remembered.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

impl Digests {
    /// Reads everything that trust in `directory`, a canonical path, covers.
    pub(super) fn of_directory(directory: &Path) -> Self {
        let mut digests = Self::default();
        for folder in FOLDERS {
            digests.entry(directory, folder.to_owned(), 0);
        }
        digests.entry(directory, HOSTS_FILE.to_owned(), 0);
        digests
    }

    /// Reads everything in `directory`, a canonical path.
    pub(super) fn of_package(directory: &Path) -> Self {
        let mut digests = Self::default();
        match sorted_names(directory) {
            Ok(names) => {
                for name in names {
                    match name.into_string() {
                        Ok(name) => digests.entry(directory, name, 0),
                        Err(name) => digests.refuse(&directory.join(name), "has a name that is not UTF-8".to_owned()),
                    }
                }
            }
            Err(error) => digests.refuse(directory, format!("cannot be listed: {error}")),
        }
        digests
    }

    /// Reads what lies below one of its folders.
    pub(super) fn of_folder(directory: &Path, folder: &str) -> Self {
        let mut digests = Self::default();
        digests.entry(directory, folder.to_owned(), 0);
        digests
    }

    /// Takes in a file, or a folder with all that is in it. Links are followed to files only, and only within the
    /// directory: elsewhere somebody else may change what they lead to.
    fn entry(&mut self, root: &Path, below: String, depth: usize) {
        let path = root.join(&below);
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth == 0 => return,
            Err(error) => return self.refuse(&path, format!("cannot be looked at: {error}")),
        };
        if metadata.is_symlink() {
            match path.canonicalize() {
                Ok(target) if !target.starts_with(root) => {
                    self.refuse(&path, format!("links out of the directory, to `{}`", target.display()));
                }
                Ok(target) if target.is_dir() => self.refuse(&path, "links to a folder".to_owned()),
                Ok(_) => self.file(&path, below),
                Err(error) => self.refuse(&path, format!("links to what cannot be found: {error}")),
            }
        } else if metadata.is_dir() {
            self.folder(root, &below, depth);
        } else {
            self.file(&path, below);
        }
    }

    fn folder(&mut self, root: &Path, below: &str, depth: usize) {
        let path = root.join(below);
        if depth >= DEEPEST {
            return self.refuse(&path, format!("is nested deeper than {DEEPEST} folders"));
        }
        match sorted_names(&path) {
            Ok(names) => {
                for name in names {
                    match name.into_string() {
                        Ok(name) => self.entry(root, format!("{below}/{name}"), depth + 1),
                        Err(name) => self.refuse(&path.join(name), "has a name that is not UTF-8".to_owned()),
                    }
                }
            }
            Err(error) => self.refuse(&path, format!("cannot be listed: {error}")),
        }
    }

    fn file(&mut self, path: &Path, below: String) {
        if self.files.len() >= MOST_FILES {
            // Told once: the walk goes on, but nothing more is taken in.
            if self.refused.last().is_none_or(|fault| !fault.message.starts_with("comes after")) {
                self.refuse(path, format!("comes after {MOST_FILES} other files"));
            }
            return;
        }
        match self.hash(path) {
            Ok(digest) => {
                self.files.insert(below, digest);
            }
            Err(fault) => self.refuse(path, fault.to_string()),
        }
    }

    fn hash(&mut self, path: &Path) -> Result<String, ReadFault> {
        let most = LARGEST.min(LARGEST_TOTAL - self.total);
        let mut hasher = blake3::Hasher::new();
        let size = io::copy(&mut open_regular(path, most)?.take(most.saturating_add(1)), &mut hasher)?;
        if size > most {
            return Err(ReadFault::TooLarge { size, most });
        }
        self.total += size;
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn refuse(&mut self, path: &Path, message: String) {
        self.refused.push(Fault::of_file(path.display().to_string(), message));
    }
}

fn sorted_names(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        names.push(entry?.file_name());
    }
    names.sort();
    Ok(names)
}

/// The path by which a directory is remembered: without links, so that it means one place.
pub(super) fn canonical(directory: &Path) -> io::Result<(PathBuf, String)> {
    let path = directory.canonicalize()?;
    match path.to_str().map(str::to_owned) {
        Some(name) => Ok((path, name)),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8")),
    }
}
