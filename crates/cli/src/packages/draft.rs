//! A package being unpacked: a folder that is thrown away unless it is moved to where it belongs.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// How many files and folders a package may have.
pub(crate) const MOST_ENTRIES: usize = 4096;
/// How many bytes its files may have together. They are read whenever the catalog is.
pub(crate) const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// How many folders may lie within each other.
const DEEPEST: usize = 16;

/// Why a package was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackFault {
    /// Something in it has no place in a package.
    #[error("`{name}` {why}")]
    Refused {
        /// Its name, with control characters escaped.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// It has too much in it.
    #[error("it has more than {0}")]
    TooMuch(String),
    /// It cannot be read as an archive.
    #[error("it is not a sound archive")]
    Garbled(#[source] io::Error),
    /// Reading or writing failed.
    #[error("cannot {doing} `{name}`")]
    Io {
        /// What was to be done.
        doing: &'static str,
        /// With what.
        name: String,
        /// Why not.
        source: io::Error,
    },
}

impl UnpackFault {
    pub(super) fn refused(name: &[u8], why: impl Into<String>) -> Self {
        let name: String = String::from_utf8_lossy(name).chars().take(200).flat_map(char::escape_debug).collect();
        Self::Refused { name, why: why.into() }
    }

    pub(super) fn io(doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, name: name.to_owned(), source }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    /// A folder that only names of other things have mentioned.
    ImpliedFolder,
}

/// What was unpacked so far.
pub(crate) struct Draft {
    folder: TempDir,
    seen: BTreeMap<String, Kind>,
    bytes: u64,
}

impl Draft {
    /// An empty one, in a new folder below `parent`; with none, where temporary files are.
    pub(crate) fn new(parent: Option<&Path>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".draft-");
        let folder = match parent {
            Some(parent) => builder.tempdir_in(parent)?,
            None => builder.tempdir()?,
        };
        std::fs::create_dir(folder.path().join("content"))?;
        Ok(Self { folder, seen: BTreeMap::new(), bytes: 0 })
    }

    /// Where everything lies.
    pub(crate) fn content(&self) -> PathBuf {
        self.folder.path().join("content")
    }

    /// Where the package is: at the top, or in the one folder there.
    pub(crate) fn root(&self) -> PathBuf {
        let content = self.content();
        let mut top = self.seen.iter().filter(|(name, _)| !name.contains('/'));
        match (top.next(), top.next()) {
            (Some((name, kind)), None) if *kind != Kind::File && name != "extensions" => content.join(name),
            _ => content,
        }
    }

    /// Makes a folder.
    pub(crate) fn add_folder(&mut self, name: &[u8]) -> Result<(), UnpackFault> {
        let parts = parts(name)?;
        if parts.is_empty() {
            return Ok(());
        }
        let below = self.enter(name, &parts, Kind::Folder)?;
        self.make_folders(&below)
    }

    /// Makes a file of what `content` has, which must not be more than `size`.
    pub(crate) fn add_file(
        &mut self,
        name: &[u8],
        size: u64,
        is_executable: bool,
        content: &mut dyn Read,
    ) -> Result<(), UnpackFault> {
        let parts = parts(name)?;
        let Some((_, parents)) = parts.split_last() else {
            return Err(UnpackFault::refused(name, "has no name"));
        };
        // Before anything is written: an archive says how much it will be.
        if size > MOST_BYTES.saturating_sub(self.bytes) {
            return Err(UnpackFault::TooMuch(format!("{} MiB of files", MOST_BYTES / 1024 / 1024)));
        }
        let below = self.enter(name, &parts, Kind::File)?;
        self.make_folders(&parents.join("/"))?;
        let path = self.content().join(&below);
        let written = write(&path, is_executable, &mut content.take(size.saturating_add(1)));
        let written = written.map_err(UnpackFault::io("unpack", &below))?;
        if written != size {
            return Err(UnpackFault::refused(name, "is not as large as was said"));
        }
        self.bytes += written;
        Ok(())
    }

    /// Notes a name, unless something is there already.
    fn enter(&mut self, name: &[u8], parts: &[&str], kind: Kind) -> Result<String, UnpackFault> {
        for length in 1..parts.len() {
            match self.seen.entry(parts[..length].join("/")).or_insert(Kind::ImpliedFolder) {
                Kind::File => return Err(UnpackFault::refused(name, "lies below a file")),
                Kind::Folder | Kind::ImpliedFolder => {}
            }
        }
        let below = parts.join("/");
        match (self.seen.get(&below), kind) {
            (None, _) | (Some(Kind::ImpliedFolder), Kind::Folder) => {}
            (Some(_), _) => return Err(UnpackFault::refused(name, "is there twice")),
        }
        self.seen.insert(below.clone(), kind);
        if self.seen.len() > MOST_ENTRIES {
            return Err(UnpackFault::TooMuch(format!("{MOST_ENTRIES} files and folders")));
        }
        Ok(below)
    }

    fn make_folders(&self, below: &str) -> Result<(), UnpackFault> {
        let path = self.content().join(below);
        std::fs::create_dir_all(&path).map_err(UnpackFault::io("unpack", below))
    }
}

/// The parts of a name, without those that mean nothing.
fn parts(name: &[u8]) -> Result<Vec<&str>, UnpackFault> {
    let refused = |why: &str| Err(UnpackFault::refused(name, why));
    let Ok(text) = std::str::from_utf8(name) else { return refused("is not UTF-8") };
    if text.chars().any(char::is_control) {
        return refused("has control characters in its name");
    }
    if text.starts_with('/') {
        return refused("is an absolute path");
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return refused("leads out of the package");
    }
    if parts.len() > DEEPEST {
        return refused("is nested too deeply");
    }
    Ok(parts)
}

/// Writes a new file through to the disk: what is trusted later must not be less after a power cut.
fn write(path: &Path, is_executable: bool, content: &mut dyn Read) -> io::Result<u64> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = io::copy(content, &mut file)?;
    // Nothing else of a mode is kept, and the caller's mask does not count: it is the same package for everybody.
    file.set_permissions(Permissions::from_mode(if is_executable { 0o755 } else { 0o644 }))?;
    file.sync_all()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(result: Result<(), UnpackFault>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn names_that_lead_elsewhere_or_cannot_be_shown_are_refused() {
        let mut draft = Draft::new(None).expect("a folder");
        let names: [&[u8]; 7] = [b"/etc/passwd", b"../x", b"a/../../x", b"a/..", b"a\nb", b"\x1b[2J", b"\xff"];
        for name in names {
            draft.add_file(name, 1, false, &mut &b"x"[..]).expect_err("refused");
            draft.add_folder(name).expect_err("refused");
        }
        let deep = "a/".repeat(DEEPEST + 1);
        assert!(refusal(draft.add_folder(deep.as_bytes())).contains("too deeply"));
        assert_eq!(refusal(draft.add_file(b"./", 0, false, &mut io::empty())), "`./` has no name");
        assert_eq!(std::fs::read_dir(draft.content()).expect("lists").count(), 0, "nothing was written");
    }

    #[test]
    fn nothing_is_there_twice() {
        let mut draft = Draft::new(None).expect("a folder");
        let mut add = |name: &str| draft.add_file(name.as_bytes(), 1, false, &mut &b"x"[..]);
        add("a/b").expect("new");
        assert_eq!(refusal(add("./a//b")), "`./a//b` is there twice");
        assert_eq!(refusal(add("a")), "`a` is there twice");
        assert_eq!(refusal(add("a/b/c")), "`a/b/c` lies below a file");
        draft.add_folder(b"a/").expect("it was only implied");
        assert_eq!(refusal(draft.add_folder(b"a")), "`a` is there twice");
    }

    #[test]
    fn there_is_a_bound_to_everything() {
        let mut draft = Draft::new(None).expect("a folder");
        let most = MOST_BYTES + 1;
        assert_eq!(
            refusal(draft.add_file(b"huge", most, false, &mut io::repeat(0))),
            "it has more than 64 MiB of files"
        );
        assert!(!draft.content().join("huge").exists(), "it was not even begun");
        for (said, has) in [(3, "four"), (5, "four")] {
            let name = format!("{said}");
            let refused = refusal(draft.add_file(name.as_bytes(), said, false, &mut has.as_bytes()));
            assert!(refused.ends_with("is not as large as was said"), "{refused}");
        }
        let more = (0..=MOST_ENTRIES).find_map(|number| draft.add_folder(format!("f{number}").as_bytes()).err());
        assert_eq!(more.expect("too many").to_string(), "it has more than 4096 files and folders");
    }

    #[test]
    fn of_a_mode_only_executability_is_kept() {
        let mut draft = Draft::new(None).expect("a folder");
        for (name, is_executable, mode) in [("plain", false, 0o644), ("program", true, 0o755)] {
            draft.add_file(name.as_bytes(), 1, is_executable, &mut &b"x"[..]).expect("new");
            let metadata = std::fs::metadata(draft.content().join(name)).expect("is there");
            assert_eq!(metadata.permissions().mode() & 0o7777, mode);
        }
    }
}
