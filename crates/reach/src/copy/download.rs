//! From a sandbox to this machine. What the sandbox says is not trusted: no name and no link of it leads out of the
//! place of the copy.

use std::collections::HashMap;
use std::collections::hash_map;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use tempfile::NamedTempFile;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;

use super::here::{make_folder, make_link, make_name, set_mode, unwritable};
use super::{AT_A_TIME, Copied, FILLING, MODE, refused, sparse};
use crate::{Content, Entry, EntryKind, ReachError, Session};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// A tree on its way out.
struct Download<'a> {
    session: &'a dyn Session,
    user: Option<&'a str>,
    copied: Copied,
    /// Folders still to be listed, with their places here and their modes.
    folders: Vec<(PathBuf, PathBuf, u32)>,
    /// Modes that folders get once they are filled.
    modes: Vec<(PathBuf, u32)>,
    /// Where files with several names went first, by device and inode.
    first_names: HashMap<(u64, u64), PathBuf>,
}

/// One file: where it is, where it goes, and what it is like.
struct Wanted {
    remote: PathBuf,
    local: PathBuf,
    mode: u32,
    is_sparse: bool,
}

impl Wanted {
    fn new(entry: &Entry, remote: PathBuf, local: PathBuf) -> Self {
        Self { remote, local, mode: entry.mode & MODE, is_sparse: entry.is_sparse() }
    }
}

/// Copies a file, a link's target or a tree at `remote` to `local`. A file appears at once and whole, or not at all.
pub async fn download(
    session: &dyn Session,
    remote: &Path,
    local: &Path,
    user: Option<&str>,
) -> Result<Copied, ReachError> {
    let entry = follow(session, remote, user).await?;
    let mut download = Download {
        session,
        user,
        copied: Copied::default(),
        folders: Vec::new(),
        modes: Vec::new(),
        first_names: HashMap::new(),
    };
    match entry.kind {
        EntryKind::Directory => {
            download.folders.push((remote.to_owned(), local.to_owned(), entry.mode));
            download.tree().await?;
        }
        EntryKind::File => {
            let bytes = download.file(&Wanted::new(&entry, remote.to_owned(), local.to_owned())).await?;
            download.copied.file(bytes);
        }
        _ => return Err(refused(remote)),
    }
    Ok(download.copied)
}

/// What a path leads to.
async fn follow(session: &dyn Session, path: &Path, user: Option<&str>) -> Result<Entry, ReachError> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let entry = session.stat(&path, user).await?;
        let (EntryKind::Symlink, Some(target)) = (entry.kind, &entry.target) else { return Ok(entry) };
        path = entry.path.parent().unwrap_or(Path::new("/")).join(target);
    }
    Err(refused(&path))
}

impl Download<'_> {
    async fn tree(&mut self) -> Result<(), ReachError> {
        while let Some((remote, local, mode)) = self.folders.pop() {
            self.make_folder(&local, mode).await?;
            let (mut files, mut names) = (Vec::new(), Vec::new());
            for entry in self.session.list(&remote, self.user).await? {
                let name = safe_name(&entry)?;
                let (from, to) = (remote.join(name), local.join(name));
                match entry.kind {
                    EntryKind::Directory => self.folders.push((from, to, entry.mode)),
                    EntryKind::File => match self.known_name(&entry, &to) {
                        Some(first) => names.push((first, to)),
                        None => files.push(Wanted::new(&entry, from, to)),
                    },
                    EntryKind::Symlink => self.link(&entry, &to).await?,
                    _ => return Err(refused(&from)),
                }
            }
            self.files(&files).await?;
            for (first, name) in names {
                make_name(&first, &name).await.map_err(|error| unwritable(&name, error))?;
                self.copied.names += 1;
            }
        }
        for (folder, mode) in self.modes.iter().rev() {
            set_mode(folder, *mode).await?;
        }
        Ok(())
    }

    async fn files(&mut self, files: &[Wanted]) -> Result<(), ReachError> {
        let copied: Vec<u64> =
            stream::iter(files).map(|wanted| self.file(wanted)).buffer_unordered(AT_A_TIME).try_collect().await?;
        copied.into_iter().for_each(|bytes| self.copied.file(bytes));
        Ok(())
    }

    async fn make_folder(&mut self, local: &Path, mode: u32) -> Result<(), ReachError> {
        let top = self.copied.folders == 0;
        make_folder(local, top).await.map_err(|error| unwritable(local, error))?;
        set_mode(local, mode & MODE | FILLING).await?;
        self.modes.push((local.to_owned(), mode & MODE));
        self.copied.folders += 1;
        Ok(())
    }

    /// Where a file is or will be already that has this name, too.
    fn known_name(&mut self, entry: &Entry, local: &Path) -> Option<PathBuf> {
        if entry.links < 2 {
            return None;
        }
        match self.first_names.entry((entry.device, entry.inode)) {
            hash_map::Entry::Occupied(first) => Some(first.get().clone()),
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(local.to_owned());
                None
            }
        }
    }

    async fn link(&mut self, entry: &Entry, local: &Path) -> Result<(), ReachError> {
        let missing = || ReachError::protocol(format!("`{}` is a link without a target", entry.path.display()));
        let target = entry.target.as_deref().ok_or_else(missing)?;
        make_link(target, local).await.map_err(|error| unwritable(local, error))?;
        self.copied.links += 1;
        Ok(())
    }

    /// Copies one file; gives its length.
    async fn file(&self, wanted: &Wanted) -> Result<u64, ReachError> {
        let Wanted { remote, local, mode, is_sparse } = wanted;
        let unwritable = |error| unwritable(local, error);
        // A device or a pipe that the caller names is written to, not replaced.
        let special = fs::symlink_metadata(local).await.is_ok_and(|status| !status.is_file() && !status.is_symlink());
        if special {
            let mut file = fs::OpenOptions::new().write(true).open(local).await.map_err(unwritable)?;
            return fill(&mut file, remote, self.session.read(remote, self.user).await?).await;
        }
        let folder = local.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (file, path) = NamedTempFile::new_in(folder).map_err(unwritable)?.into_parts();
        let written = if *is_sparse {
            sparse::write(file, self.session.read_extents(remote, self.user).await?).await?
        } else {
            fill(&mut File::from_std(file), remote, self.session.read(remote, self.user).await?).await?
        };
        set_mode(&path, *mode).await?;
        // Takes the place of a link that stood there instead of writing to where it leads.
        path.persist(local).map_err(|error| unwritable(error.error))?;
        Ok(written)
    }
}

/// Writes all of a content, and gives its length.
async fn fill(file: &mut File, remote: &Path, content: Content) -> Result<u64, ReachError> {
    let Content { stream, size } = content;
    let written = write_all(file, stream).await?;
    match size {
        Some(size) if size != written => {
            Err(ReachError::protocol(format!("`{}` was not sent whole", remote.display())))
        }
        _ => Ok(written),
    }
}

async fn write_all(
    file: &mut File,
    mut content: BoxStream<'static, Result<bytes::Bytes, ReachError>>,
) -> Result<u64, ReachError> {
    let failed = |error: io::Error| ReachError::local("cannot write what was downloaded", error);
    let mut written = 0;
    while let Some(piece) = content.next().await {
        let piece = piece?;
        written += piece.len() as u64;
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(written)
}

/// A name that stays in its folder.
fn safe_name(entry: &Entry) -> Result<&OsStr, ReachError> {
    let name = entry.name();
    match name.as_bytes() {
        b"" | b"." | b".." => Err(no_name(&entry.path)),
        bytes if bytes.contains(&0) => Err(no_name(&entry.path)),
        _ => Ok(name),
    }
}

fn no_name(path: &Path) -> ReachError {
    ReachError::protocol(format!("`{}` does not end with the name of a file", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &[u8]) -> Entry {
        Entry {
            path: OsStr::from_bytes(path).into(),
            kind: EntryKind::File,
            size: 0,
            mode: 0o644,
            owner: String::new(),
            group: String::new(),
            modified: None,
            target: None,
            target_kind: None,
            allocated: 0,
            links: 1,
            inode: 1,
            device: 1,
        }
    }

    #[test]
    fn no_name_leads_out() {
        for path in [&b""[..], b"/", b"/x/.", b"/x/..", b"..", b"/etc/", b"/x/a\0b"] {
            assert!(safe_name(&at(path)).is_err(), "{path:?}");
        }
        for name in [&b"a"[..], b"...", b" ", b"a\\b", "ü".as_bytes(), b"\xff\xfe"] {
            let path = [b"/x/../y/", name].concat();
            assert_eq!(safe_name(&at(&path)).unwrap().as_bytes(), name);
        }
    }
}
