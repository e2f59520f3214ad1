//! What was trusted, as data, and the file it is kept in.

use super::digest::{canonical, digest_of};
use super::survey::TrustSurvey;
use sandboxer_types::source::Fault;
use sandboxer_types::{ErrorKind, Failure, Residue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The digests of everything that was trusted, by directory and path below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustBook {
    directories: BTreeMap<String, BTreeMap<String, String>>,
}

/// Trust could not be read, kept or given.
#[derive(Debug, thiserror::Error)]
pub enum TrustFault {
    /// The file or the directory could not be used.
    #[error("cannot {act} `{}`", path.display())]
    Io {
        /// What was to be done.
        act: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("`{}` is not a record of trust; remove it to trust nothing", path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Something in the directory cannot be trusted at all.
    #[error("{} in `{}` cannot be trusted", if faults.len() == 1 { "a file".to_owned() } else { format!("{} files", faults.len()) }, directory.display())]
    Refused {
        /// The directory.
        directory: PathBuf,
        /// What, and why.
        faults: Vec<Fault>,
    },
}

impl TrustFault {
    pub(super) fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { act, path: path.to_owned(), source }
    }
}

impl From<TrustFault> for Failure {
    fn from(fault: TrustFault) -> Self {
        let kind = match &fault {
            TrustFault::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::NotFound,
            TrustFault::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorKind::Forbidden,
            TrustFault::Io { .. } => ErrorKind::Internal,
            TrustFault::Garbled { .. } | TrustFault::Refused { .. } => ErrorKind::Precondition,
        };
        let mut failure = Self::new(kind, fault.to_string()).with_residue(Residue::None);
        if let Some(source) = std::error::Error::source(&fault) {
            failure = failure.caused_by(source);
        }
        if let TrustFault::Refused { faults, .. } = &fault {
            failure.causes.extend(faults.iter().map(Fault::headline));
        }
        failure
    }
}

impl TrustBook {
    /// Reads a book. A file that does not exist is an empty one.
    pub fn load(path: &Path) -> Result<Self, TrustFault> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(TrustFault::io("read", path)(error)),
        };
        serde_json::from_slice(&text).map_err(|source| TrustFault::Garbled { path: path.to_owned(), source })
    }

    /// Writes the book in the place of an older one, at once and for its owner alone.
    pub fn save(&self, path: &Path) -> Result<(), TrustFault> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            std::fs::create_dir_all(folder)?;
            // A temporary file has mode 0600, and takes the place of the old one together with its mode.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(TrustFault::io("write", path))
    }

    /// Trusts a directory as it was surveyed, in the place of what was trusted there before.
    pub fn trust(&mut self, survey: &TrustSurvey) -> Result<(), TrustFault> {
        if !survey.refused.is_empty() {
            let directory = PathBuf::from(&survey.directory);
            return Err(TrustFault::Refused { directory, faults: survey.refused.clone() });
        }
        self.directories.insert(survey.directory.clone(), survey.files.clone());
        Ok(())
    }

    /// Trusts no longer those directories that `which` accepts. Whether there were any.
    pub fn remove_where(&mut self, which: impl Fn(&str) -> bool) -> bool {
        let before = self.directories.len();
        self.directories.retain(|directory, _| !which(directory));
        self.directories.len() < before
    }

    /// Trusts a directory no longer. Whether it was trusted at all.
    pub fn remove(&mut self, directory: &Path) -> bool {
        // What was removed from the disk is still found by the name it was trusted under.
        let name = canonical(directory).map_or_else(|_| directory.display().to_string(), |(_, name)| name);
        self.directories.remove(&name).is_some()
    }

    /// Whether exactly what was surveyed is trusted.
    pub fn covers(&self, survey: &TrustSurvey) -> bool {
        survey.refused.is_empty() && self.directories.get(&survey.directory) == Some(&survey.files)
    }

    /// The directories that something is trusted in, with the number of files.
    pub fn directories(&self) -> impl Iterator<Item = (&str, usize)> {
        self.directories.iter().map(|(directory, files)| (directory.as_str(), files.len()))
    }

    /// What was trusted in a directory.
    pub(super) fn files(&self, directory: &str) -> Option<&BTreeMap<String, String>> {
        self.directories.get(directory)
    }

    /// Whether these bytes are what was trusted at `below`, say `hosts.yaml`, in `directory`.
    pub fn knows(&self, directory: &Path, below: &str, bytes: &[u8]) -> bool {
        let name = canonical(directory).ok().map(|(_, name)| name);
        let files = name.and_then(|name| self.directories.get(&name));
        files.and_then(|files| files.get(below)).is_some_and(|known| *known == digest_of(bytes))
    }
}
