//! From a sandbox to this machine. What the sandbox says is not trusted: no name and no link of it leads out of the
//! place of the copy.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use tempfile::NamedTempFile;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;

use super::{AT_A_TIME, Copied, FILLING, MODE};
use crate::{Content, Entry, EntryKind, ReachError, ReachErrorKind, Session};

/// A tree on its way out.
struct Download<'a> {
    session: &'a dyn Session,
    user: Option<&'a str>,
    copied: Copied,
    /// Folders still to be listed, with their places here and their modes.
    folders: Vec<(String, PathBuf, u32)>,
    /// Modes that folders get once they are filled.
    modes: Vec<(PathBuf, u32)>,
}

/// Copies a file, a link's target or a tree at `remote` to `local`. A file appears at once and whole, or not at all.
pub async fn download(
    session: &dyn Session,
    remote: &str,
    local: &Path,
    user: Option<&str>,
) -> Result<Copied, ReachError> {
    let entry = session.stat(remote, user).await?;
    let mut download = Download { session, user, copied: Copied::default(), folders: Vec::new(), modes: Vec::new() };
    match entry.link.as_ref().map_or(entry.kind, |link| link.kind) {
        EntryKind::Directory => {
            download.folders.push((remote.to_owned(), local.to_owned(), entry.mode));
            download.tree().await?;
        }
        EntryKind::File => {
            let bytes = download.file(remote, local, entry.mode).await?;
            download.copied.file(bytes);
        }
        EntryKind::Symlink | EntryKind::Other => return Err(refused(remote)),
    }
    Ok(download.copied)
}

impl Download<'_> {
    async fn tree(&mut self) -> Result<(), ReachError> {
        while let Some((remote, local, mode)) = self.folders.pop() {
            self.make_folder(&local, mode).await?;
            let mut files = Vec::new();
            for entry in self.session.list(&remote, 1, self.user).await? {
                let name = safe_name(&entry)?;
                let (from, to) = (format!("{}/{name}", remote.trim_end_matches('/')), local.join(name));
                match entry.kind {
                    EntryKind::Directory => self.folders.push((from, to, entry.mode)),
                    EntryKind::File => files.push((from, to, entry.mode)),
                    EntryKind::Symlink => self.link(&from, &to).await?,
                    EntryKind::Other => return Err(refused(&from)),
                }
            }
            let copied: Vec<u64> = stream::iter(&files)
                .map(|(from, to, mode)| self.file(from, to, *mode))
                .buffer_unordered(AT_A_TIME)
                .try_collect()
                .await?;
            copied.into_iter().for_each(|bytes| self.copied.file(bytes));
        }
        for (folder, mode) in self.modes.iter().rev() {
            set_mode(folder, *mode).await?;
        }
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

    async fn link(&mut self, remote: &str, local: &Path) -> Result<(), ReachError> {
        let target = self.session.read_symlink(remote, self.user).await?;
        let made = match fs::symlink(&target, local).await {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => replace_link(&target, local).await,
            other => other,
        };
        made.map_err(|error| unwritable(local, error))?;
        self.copied.links += 1;
        Ok(())
    }

    /// Copies one file; gives its length.
    async fn file(&self, remote: &str, local: &Path, mode: u32) -> Result<u64, ReachError> {
        let Content { stream, size } = self.session.read(remote, self.user).await?;
        let unwritable = |error| unwritable(local, error);
        // A device or a pipe that the caller names is written to, not replaced.
        let special = fs::symlink_metadata(local).await.is_ok_and(|status| !status.is_file() && !status.is_symlink());
        let whole = |written| match size {
            Some(size) if size != written => Err(ReachError::protocol(format!("`{remote}` was not sent whole"))),
            _ => Ok(written),
        };
        if special {
            let mut file = fs::OpenOptions::new().write(true).open(local).await.map_err(unwritable)?;
            return whole(fill(&mut file, stream).await?);
        }
        let folder = local.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (file, path) = NamedTempFile::new_in(folder).map_err(unwritable)?.into_parts();
        let written = whole(fill(&mut File::from_std(file), stream).await?)?;
        set_mode(&path, mode & MODE).await?;
        // Takes the place of a link that stood there instead of writing to where it leads.
        path.persist(local).map_err(|error| unwritable(error.error))?;
        Ok(written)
    }
}

async fn fill(
    file: &mut File,
    mut content: BoxStream<'static, Result<bytes::Bytes, ReachError>>,
) -> Result<u64, ReachError> {
    let failed = |error| ReachError::local("cannot write what was downloaded", error);
    let mut written = 0;
    while let Some(piece) = content.next().await {
        let piece = piece?;
        written += piece.len() as u64;
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(written)
}

/// A folder to fill. Below the top, a link in its place is replaced: an earlier copy may have brought it, and what it
/// leads to is not ours to fill.
async fn make_folder(local: &Path, top: bool) -> io::Result<()> {
    match fs::create_dir(local).await {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let status = if top { fs::metadata(local).await? } else { fs::symlink_metadata(local).await? };
    if status.is_symlink() {
        fs::remove_file(local).await?;
        return fs::create_dir(local).await;
    }
    if status.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

async fn replace_link(target: &str, local: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(local).await?.is_symlink() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::remove_file(local).await?;
    fs::symlink(target, local).await
}

async fn set_mode(path: &Path, mode: u32) -> Result<(), ReachError> {
    let set = fs::set_permissions(path, Permissions::from_mode(mode)).await;
    set.map_err(|error| unwritable(path, error))
}

/// A name that stays in its folder.
fn safe_name(entry: &Entry) -> Result<&str, ReachError> {
    match entry.name.as_str() {
        "" | "." | ".." => Err(ReachError::protocol(format!("`{}` is no name of a file", entry.name))),
        name if name.contains(['/', '\0']) => Err(ReachError::protocol(format!("`{name}` is no name of a file"))),
        name => Ok(name),
    }
}

fn unwritable(path: &Path, error: io::Error) -> ReachError {
    ReachError::local(format_args!("cannot write `{}`", path.display()), error)
}

fn refused(path: &str) -> ReachError {
    let message = format!("`{path}` is neither a file nor a folder nor a link");
    ReachError::new(ReachErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            path: format!("/{name}"),
            kind: EntryKind::File,
            link: None,
            size: 0,
            mode: 0o644,
            owner: String::new(),
            group: String::new(),
            modified: None,
        }
    }

    #[test]
    fn no_name_leads_out() {
        for name in ["", ".", "..", "a/b", "/etc", "../x", "a\0b"] {
            assert!(safe_name(&named(name)).is_err(), "{name:?}");
        }
        for name in ["a", "...", " ", "a\\b", "ü"] {
            assert_eq!(safe_name(&named(name)).unwrap(), name);
        }
    }

    #[tokio::test]
    async fn a_planted_link_is_replaced_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let place = root.path().join("place");
        std::os::unix::fs::symlink(&outside, &place).unwrap();
        make_folder(&place, false).await.unwrap();
        assert!(std::fs::symlink_metadata(&place).unwrap().is_dir());
        make_folder(&place, false).await.unwrap();
        std::os::unix::fs::symlink(&outside, root.path().join("top")).unwrap();
        make_folder(&root.path().join("top"), true).await.unwrap();
        assert!(root.path().join("top").is_symlink());
    }
}
