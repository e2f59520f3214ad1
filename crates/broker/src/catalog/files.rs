//! Finds and reads the files of a source. The only part of the catalog, beside trust, that touches the disk.

use super::entry::{Layer, Origin, PackageOrigin};
use super::miss::Kind;
use sandboxer_types::source::{Fault, LARGEST_FILE, decode};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where manifests, profiles and hosts come from. Later sources replace what earlier ones have of the same id.
#[derive(Debug, Clone)]
pub enum CatalogSource {
    /// Compiled in: file names, with `extensions/` or `profiles/` before them, and texts.
    BuiltIn(&'static [(&'static str, &'static str)]),
    /// A package that was added: inert unless the whole of it is what was trusted. What it brings comes right after what
    /// is compiled in, as a distribution's files do before a machine's own: what a user writes replaces it.
    Package {
        /// What it is called.
        name: String,
        /// Where it is; may be a link to that.
        folder: PathBuf,
    },
    /// The user's configuration directory.
    Config(PathBuf),
    /// The working directory: inert until trusted.
    WorkingDirectory(PathBuf),
    /// A directory given on the command line, and trusted by that.
    Given(PathBuf),
}

/// A file of the catalog.
pub(super) struct FoundFile {
    pub(super) kind: Kind,
    /// The id that the file's name promises.
    pub(super) id: String,
    pub(super) origin: Origin,
    pub(super) text: Result<Arc<str>, Fault>,
}

/// A file of hosts.
pub(super) struct FoundHosts {
    pub(super) origin: Origin,
    pub(super) text: Result<Arc<str>, Fault>,
}

/// What a source holds.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<FoundFile>,
    pub(super) hosts: Option<FoundHosts>,
    /// Faults that belong to no id.
    pub(super) strays: Vec<Fault>,
}

impl CatalogSource {
    /// Reads everything, extensions first.
    pub(super) fn read(&self) -> Found {
        match self {
            Self::BuiltIn(files) => built_in(files),
            Self::Package { name, folder } => package(name, folder),
            Self::Config(folder) => Place::plain(folder, Layer::Config).read(),
            Self::WorkingDirectory(folder) => Place::plain(folder, Layer::WorkingDirectory).read(),
            Self::Given(folder) => given(folder),
        }
    }
}

fn built_in(files: &[(&'static str, &'static str)]) -> Found {
    let mut found = Found::default();
    for kind in [Kind::Extension, Kind::Profile] {
        for (name, text) in files {
            let stem = name.strip_prefix(kind.folder()).and_then(|rest| rest.strip_prefix('/')).and_then(catalog_stem);
            if let Some(id) = stem {
                let origin = Origin::built_in(name);
                found.files.push(FoundFile { kind, id: id.to_owned(), origin, text: Ok(Arc::from(*text)) });
            }
        }
    }
    found
}

/// Unlike the other places, a directory that was named must exist and hold something.
fn given(folder: &Path) -> Found {
    let mut found = Place::plain(folder, Layer::Given).read();
    let has_folder = [Kind::Extension, Kind::Profile].iter().any(|kind| folder.join(kind.folder()).is_dir());
    if !has_folder && found.hosts.is_none() {
        let file = folder.display().to_string();
        let message = if folder.is_dir() {
            "none of `extensions/`, `profiles/` and `hosts.yaml` is in it"
        } else {
            "no such directory"
        };
        found.strays.push(Fault::of_file(file, message));
    }
    found
}

/// A package is read where its link leads, so that nothing of two versions is mixed, and named where the link is.
fn package(name: &str, folder: &Path) -> Found {
    match folder.canonicalize() {
        Ok(real) => {
            let package = PackageOrigin { name: name.to_owned(), folder: folder.to_owned() };
            Place { folder: &real, shown: folder, layer: Layer::Package, package: Some(Arc::new(package)) }.read()
        }
        Err(error) => {
            let fault = Fault::of_file(folder.display().to_string(), format!("cannot be read: {error}"));
            let hint = format!("`sandboxer ext remove {name}` removes what is left of the package");
            Found { strays: vec![fault.with_hint(hint)], ..Found::default() }
        }
    }
}

/// A directory with the folders of a catalog.
struct Place<'a> {
    folder: &'a Path,
    /// The same directory, as messages name it.
    shown: &'a Path,
    layer: Layer,
    package: Option<Arc<PackageOrigin>>,
}

impl<'a> Place<'a> {
    fn plain(folder: &'a Path, layer: Layer) -> Self {
        Self { folder, shown: folder, layer, package: None }
    }

    fn origin(&self, folder: PathBuf, file: String) -> Origin {
        Origin { layer: self.layer, file, folder: Some(folder), package: self.package.clone() }
    }

    fn read(&self) -> Found {
        let mut found = Found::default();
        for kind in [Kind::Extension, Kind::Profile] {
            match names(&self.folder.join(kind.folder())) {
                Ok(names) => {
                    for name in names {
                        found.file(kind, self, &name);
                    }
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => {
                    let file = self.shown.join(kind.folder()).display().to_string();
                    found.strays.push(Fault::of_file(file, format!("cannot be listed: {error}")));
                }
            }
        }
        let path = self.folder.join(Kind::Host.folder());
        // A link that leads nowhere is a file that cannot be read, not one that is not there.
        if path.symlink_metadata().is_ok() {
            let file = self.shown.join(Kind::Host.folder()).display().to_string();
            let text = read_text(&path, &file);
            found.hosts = Some(FoundHosts { origin: self.origin(self.folder.to_owned(), file), text });
        }
        found
    }
}

/// The names in a folder, sorted, as far as they are text: ours are.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

fn catalog_stem(name: &str) -> Option<&str> {
    name.strip_suffix(".yaml")
}

impl Found {
    /// Other files may lie in these folders, so only what looks like one of ours by its name is read.
    fn file(&mut self, kind: Kind, place: &Place<'_>, name: &str) {
        if !name.starts_with(kind.prefix()) {
            return;
        }
        let file = place.shown.join(kind.folder()).join(name).display().to_string();
        if let Some(stem) = name.strip_suffix(".yml") {
            let fault = Fault::of_file(file, "files of the catalog end in `.yaml`");
            self.strays.push(fault.with_hint(format!("call it `{stem}.yaml`")));
        } else if let Some(id) = catalog_stem(name) {
            let folder = place.folder.join(kind.folder());
            let text = read_text(&folder.join(name), &file);
            self.files.push(FoundFile { kind, id: id.to_owned(), origin: place.origin(folder, file), text });
        }
    }
}

fn read_text(path: &Path, file: &str) -> Result<Arc<str>, Fault> {
    let bytes = read_regular(path, LARGEST_FILE as u64).map_err(|fault| Fault::of_file(file, fault.to_string()))?;
    decode(file, &bytes).map(Arc::from)
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadFault {
    /// It could not be opened or read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is a folder, a pipe, a socket or a device.
    #[error("is not a regular file")]
    NotRegular,
    /// It is too large.
    #[error("has {size} bytes; at most {most} are read")]
    TooLarge {
        /// What it has.
        size: u64,
        /// What is read.
        most: u64,
    },
}

/// Opens a regular file of at most `most` bytes. A pipe in its place does not block.
pub(super) fn open_regular(path: &Path, most: u64) -> Result<File, ReadFault> {
    let file = File::options().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        Err(ReadFault::NotRegular)
    } else if metadata.len() > most {
        Err(ReadFault::TooLarge { size: metadata.len(), most })
    } else {
        Ok(file)
    }
}

/// Reads a regular file of at most `most` bytes, even when it grows meanwhile.
pub(super) fn read_regular(path: &Path, most: u64) -> Result<Vec<u8>, ReadFault> {
    let mut bytes = Vec::new();
    open_regular(path, most)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        size if size > most => Err(ReadFault::TooLarge { size, most }),
        _ => Ok(bytes),
    }
}
