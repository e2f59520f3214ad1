//! The directory of a registry. What others keep in it is left alone.

use crate::error::{CommandResult, local_fault};
use sandboxer_broker::catalog::Kind;
use sandboxer_types::Failure;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// A directory that is, or will be, a registry.
pub(super) struct Folder {
    path: PathBuf,
    shown: PathBuf,
}

impl Folder {
    /// `shown` is how it was typed.
    pub(super) fn new(working_directory: &Path, shown: &Path) -> Self {
        Self { path: working_directory.join(shown), shown: shown.to_owned() }
    }

    /// A file of it, as messages name it.
    pub(super) fn shown(&self, name: &str) -> String {
        self.shown.join(name).display().to_string()
    }

    /// Itself, as messages name it.
    pub(super) fn name(&self) -> String {
        self.shown.display().to_string()
    }

    /// Makes it where it is missing.
    pub(super) fn make(&self) -> CommandResult<()> {
        std::fs::create_dir_all(&self.path)
            .map_err(|error| local_fault(format!("make the directory `{}`", self.name()), &error).into())
    }

    /// The files of extensions and profiles by their names, in order; none when there is no such directory.
    pub(super) fn names(&self) -> CommandResult<Vec<String>> {
        let fault = |error: &std::io::Error| local_fault(format!("list `{}`", self.name()), error);
        let entries = match std::fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| fault(&error))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| fault(&error))?.file_name().into_string().ok();
            names.extend(name.filter(|name| is_ours(name)));
        }
        names.sort();
        Ok(names)
    }

    /// Whether there is such a directory.
    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// What a file holds; nothing when it is not there.
    pub(super) fn read(&self, name: &str) -> CommandResult<Option<Vec<u8>>> {
        let path = self.path.join(name);
        let fault = |error: &std::io::Error| local_fault(format!("read `{}`", self.shown(name)), error);
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(&error).into()),
            Ok(metadata) if !metadata.is_file() || metadata.len() > LARGEST_FILE => {
                let message = format!("`{}` is no file of at most {LARGEST_FILE} bytes", self.shown(name));
                return Err(Failure::invalid_input(message).into());
            }
            Ok(_) => {}
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(|error| fault(&error))?;
        file.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(|error| fault(&error))?;
        Ok(Some(bytes))
    }

    /// Puts a file in place at once, so that nobody reads half of it.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> CommandResult<()> {
        let write = || {
            // Open to others as far as the caller's umask says, since it is made to be published.
            let permissions = std::fs::Permissions::from_mode(0o666);
            let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(&self.path)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(self.path.join(name)).map(drop).map_err(|error| error.error)
        };
        write().map_err(|error| local_fault(format!("write `{}`", self.shown(name)), &error).into())
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> CommandResult<()> {
        std::fs::remove_file(self.path.join(name))
            .map_err(|error| local_fault(format!("remove `{}`", self.shown(name)), &error).into())
    }
}

fn is_ours(name: &str) -> bool {
    let begins = [Kind::Extension, Kind::Profile].iter().any(|kind| name.starts_with(kind.prefix()));
    begins && name.ends_with(".json")
}
