//! From this machine into a sandbox.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::fs::{self, File};
use tokio::io::AsyncReadExt as _;

use super::{AT_A_TIME, Copied, FILLING, MODE};
use crate::{ReachError, ReachErrorKind, Session, WriteOptions};

const PIECE: usize = 256 * 1024;

/// A tree on its way in.
struct Upload<'a> {
    session: &'a dyn Session,
    user: Option<&'a str>,
    copied: Copied,
    /// Folders still to be read, with their places in the sandbox.
    folders: Vec<(PathBuf, String)>,
    /// Modes that folders get once they are filled: a read-only one could not be.
    modes: Vec<(String, u32)>,
}

/// What a folder holds.
#[derive(Default)]
struct Found {
    files: Vec<(PathBuf, String, u32)>,
    folders: Vec<(PathBuf, String)>,
    links: Vec<(PathBuf, String)>,
}

/// Copies a file, a link's target or a tree at `local` to `remote`.
pub async fn upload(
    session: &dyn Session,
    local: &Path,
    remote: &str,
    user: Option<&str>,
) -> Result<Copied, ReachError> {
    let status = fs::metadata(local).await.map_err(|error| unreadable(local, error))?;
    let mut upload = Upload { session, user, copied: Copied::default(), folders: Vec::new(), modes: Vec::new() };
    if status.is_dir() {
        upload.folders.push((local.to_owned(), remote.to_owned()));
        upload.tree().await?;
    } else if status.is_file() {
        let bytes = upload.file(local, remote, status.permissions().mode()).await?;
        upload.copied.file(bytes);
    } else {
        return Err(refused(local));
    }
    Ok(upload.copied)
}

impl Upload<'_> {
    async fn tree(&mut self) -> Result<(), ReachError> {
        while let Some((local, remote)) = self.folders.pop() {
            self.make_folder(&local, &remote).await?;
            let found = read_folder(&local, &remote).await?;
            self.folders.extend(found.folders);
            for (local, remote) in found.links {
                self.link(&local, &remote).await?;
            }
            let copied: Vec<u64> = stream::iter(&found.files)
                .map(|(local, remote, mode)| self.file(local, remote, *mode))
                .buffer_unordered(AT_A_TIME)
                .try_collect()
                .await?;
            copied.into_iter().for_each(|bytes| self.copied.file(bytes));
        }
        for (folder, mode) in self.modes.iter().rev() {
            self.session.set_mode(folder, *mode, self.user).await?;
        }
        Ok(())
    }

    async fn make_folder(&mut self, local: &Path, remote: &str) -> Result<(), ReachError> {
        let status = fs::metadata(local).await.map_err(|error| unreadable(local, error))?;
        match self.session.make_dir(remote, self.user).await {
            // One that stands there is merged into, and must allow it.
            Err(error) if error.kind() == ReachErrorKind::AlreadyExists => {
                self.session.set_mode(remote, status.permissions().mode() & MODE | FILLING, self.user).await?;
            }
            other => other?,
        }
        self.modes.push((remote.to_owned(), status.permissions().mode() & MODE));
        self.copied.folders += 1;
        Ok(())
    }

    async fn link(&mut self, local: &Path, remote: &str) -> Result<(), ReachError> {
        let target = fs::read_link(local).await.map_err(|error| unreadable(local, error))?;
        let target = target.to_str().ok_or_else(|| no_text(local))?;
        self.session.make_symlink(remote, target, self.user).await?;
        self.copied.links += 1;
        Ok(())
    }

    /// Copies one file; gives its length.
    async fn file(&self, local: &Path, remote: &str, mode: u32) -> Result<u64, ReachError> {
        let file = File::open(local).await.map_err(|error| unreadable(local, error))?;
        let length = file.metadata().await.map_err(|error| unreadable(local, error))?.len();
        let options = WriteOptions { mode: Some(mode & MODE) };
        self.session.write(remote, options, pieces(file), self.user).await?;
        Ok(length)
    }
}

fn pieces(file: File) -> BoxStream<'static, io::Result<Bytes>> {
    stream::try_unfold(file, |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let length = file.read_buf(&mut piece).await?;
        Ok((length > 0).then(|| (piece.freeze(), file)))
    })
    .boxed()
}

async fn read_folder(local: &Path, remote: &str) -> Result<Found, ReachError> {
    let unreadable = |error| unreadable(local, error);
    let mut found = Found::default();
    let mut entries = fs::read_dir(local).await.map_err(unreadable)?;
    while let Some(entry) = entries.next_entry().await.map_err(unreadable)? {
        let path = entry.path();
        let name = entry.file_name().into_string().map_err(|_| no_text(&path))?;
        let place = format!("{}/{name}", remote.trim_end_matches('/'));
        let status = entry.metadata().await.map_err(unreadable)?;
        if status.is_symlink() {
            found.links.push((path, place));
        } else if status.is_dir() {
            found.folders.push((path, place));
        } else if status.is_file() {
            found.files.push((path, place, status.permissions().mode()));
        } else {
            return Err(refused(&path));
        }
    }
    Ok(found)
}

fn unreadable(path: &Path, error: io::Error) -> ReachError {
    ReachError::local(format_args!("cannot read `{}`", path.display()), error)
}

fn no_text(path: &Path) -> ReachError {
    let message = format!("`{}` has a name or a target that is not UTF-8", path.display());
    ReachError::new(ReachErrorKind::Unsupported, message)
}

fn refused(path: &Path) -> ReachError {
    let message = format!("`{}` is neither a file nor a folder nor a link", path.display());
    ReachError::new(ReachErrorKind::Unsupported, message)
}
