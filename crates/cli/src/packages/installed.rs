//! The packages that were added: where they are, and how one takes the place of another.
//!
//! `packages/<name>` is a link to a folder in `packages/.versions/`, which is never changed once it is linked to. So a
//! package becomes another by one rename of a link, at once and with its trust already written down, and whoever reads the
//! old one meanwhile reads nothing of the new. What a crash leaves behind nothing links to; the next change removes it.

use super::content::extension_ids;
use super::name::PackageName;
use crate::config::Config;
use crate::error::{CommandResult, local_fault};
use sandboxer_broker::catalog::{CatalogSource, TrustBook, TrustSurvey};
use sandboxer_sdk::{Ids, SystemIds};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// The folder of all versions, beside the links to those that count.
const VERSIONS: &str = ".versions";

/// The packages of a configuration directory.
#[derive(Debug, Clone)]
pub(crate) struct Packages {
    folder: PathBuf,
    trust_book: PathBuf,
}

/// While it is held, nobody else adds or removes packages. The kernel drops it with the process.
#[derive(Debug)]
pub(crate) struct PackagesLock(#[allow(dead_code, reason = "held, not read")] File);

impl Packages {
    pub(crate) fn of(config: &Config) -> Self {
        Self { folder: config.packages(), trust_book: config.trust_book() }
    }

    /// Where versions and drafts of them are.
    pub(crate) fn versions(&self) -> PathBuf {
        self.folder.join(VERSIONS)
    }

    /// Where a package is, as messages name it.
    pub(crate) fn place(&self, name: &PackageName) -> PathBuf {
        self.folder.join(name.as_str())
    }

    /// What is installed, by name.
    pub(crate) fn names(&self) -> Vec<PackageName> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!("`{}` cannot be listed: {error}", self.folder.display());
                }
                return Vec::new();
            }
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<PackageName> = names.filter_map(|name| PackageName::parse(&name).ok()).collect();
        names.retain(|name| self.has(name));
        names.sort();
        names
    }

    /// Whether there is such a package.
    pub(crate) fn has(&self, name: &PackageName) -> bool {
        self.place(name).is_symlink()
    }

    /// A source of the catalog for each, but for one that is to be replaced.
    pub(crate) fn sources(&self, without: Option<&PackageName>) -> impl Iterator<Item = CatalogSource> {
        let names = self.names().into_iter().filter(move |name| Some(name) != without);
        names.map(|name| CatalogSource::Package { folder: self.place(&name), name: name.to_string() })
    }

    /// The package that has this extension, or is called so.
    pub(crate) fn having(&self, extension: &str) -> Option<PackageName> {
        let names = self.names();
        let has = |name: &&PackageName| extension_ids(&self.place(name)).iter().any(|id| id == extension);
        let called = |name: &&PackageName| extension.strip_prefix("ext.") == Some(name.as_str());
        names.iter().find(has).or_else(|| names.iter().find(called)).cloned()
    }

    /// Whether `folder` is that of a package.
    pub(crate) fn contain(&self, folder: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        let parent = real(folder).and_then(|folder| folder.parent().map(Path::to_owned));
        parent.is_some() && parent == real(&self.versions())
    }

    /// Makes the folders where they are missing, and waits for its turn.
    pub(crate) fn lock(&self) -> CommandResult<PackagesLock> {
        let take = || -> io::Result<File> {
            DirBuilder::new().recursive(true).mode(0o700).create(self.versions())?;
            let file = File::options().create(true).append(true).open(self.folder.join(".lock"))?;
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
            Ok(file)
        };
        Ok(PackagesLock(take().map_err(|error| self.fault("use", &error))?))
    }

    /// Puts the package in `root`, a folder in [`Self::versions`], in the place of what is called so. Its files are there
    /// first, then its trust, and then the link to it: until that, nothing but the old one counts.
    pub(crate) fn install(
        &self,
        _lock: &PackagesLock,
        name: &PackageName,
        root: &Path,
        mut survey: TrustSurvey,
    ) -> CommandResult<()> {
        let place = self.place(name);
        if place.symlink_metadata().is_ok_and(|metadata| !metadata.is_symlink()) {
            let message = format!("`{}` is in the way, and was not made by `sandboxer ext add`", place.display());
            let failure = Failure::new(ErrorKind::Conflict, message).with_residue(Residue::None);
            return Err(failure.with_hint("move it away, or give the package another name with `--name`").into());
        }
        let mark = SystemIds.fresh().to_string().to_ascii_lowercase();
        let version = self.versions().join(format!("{name}-{mark}"));
        let moved = || -> io::Result<String> {
            sync_folders(root)?;
            std::fs::rename(root, &version)?;
            sync(&self.versions())?;
            let real = version.canonicalize()?.into_os_string().into_string();
            real.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8"))
        };
        survey.directory = moved().map_err(|error| self.fault("add to", &error))?;
        let mut book = TrustBook::load(&self.trust_book).map_err(Failure::from)?;
        book.trust(&survey).map_err(Failure::from)?;
        book.save(&self.trust_book).map_err(Failure::from)?;
        let linked = || -> io::Result<()> {
            let draft = self.versions().join(format!(".link-{mark}"));
            symlink(Path::new(VERSIONS).join(format!("{name}-{mark}")), &draft)?;
            std::fs::rename(&draft, &place)?;
            sync(&self.folder)
        };
        linked().map_err(|error| self.fault("add to", &error).into())
    }

    /// Removes a package: the link first, so that it is gone at once.
    pub(crate) fn remove(&self, lock: &PackagesLock, name: &PackageName) -> CommandResult<()> {
        let unlinked = std::fs::remove_file(self.place(name)).and_then(|()| sync(&self.folder));
        unlinked.map_err(|error| self.fault("remove from", &error))?;
        self.sweep(lock)
    }

    /// Removes the trust and the files of whatever nothing links to.
    pub(crate) fn sweep(&self, _lock: &PackagesLock) -> CommandResult<()> {
        let fault = |error: io::Error| self.fault("remove what is left in", &error);
        let versions = self.versions().canonicalize().map_err(fault)?;
        let linked: Vec<PathBuf> =
            self.names().iter().filter_map(|name| self.place(name).canonicalize().ok()).collect();
        let is_left = |path: &Path| path.parent() == Some(&versions) && !linked.iter().any(|linked| linked == path);
        let mut book = TrustBook::load(&self.trust_book).map_err(Failure::from)?;
        if book.remove_where(|directory| is_left(Path::new(directory))) {
            book.save(&self.trust_book).map_err(Failure::from)?;
        }
        for entry in std::fs::read_dir(&versions).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let path = entry.path();
            if !is_left(&path) {
                continue;
            }
            let is_folder = entry.file_type().map_err(fault)?.is_dir();
            let removed = if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.map_err(fault)?;
        }
        Ok(())
    }

    fn fault(&self, doing: &str, error: &io::Error) -> Failure {
        local_fault(format!("{doing} the packages in `{}`", self.folder.display()), error)
    }
}

/// Makes names in a folder outlast a power cut.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync(folder)
}
