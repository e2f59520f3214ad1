//! From this machine into a sandbox.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::fs::{self, File};
use tokio::io::AsyncReadExt as _;

use super::here::unreadable;
use super::{AT_A_TIME, Copied, FILLING, MODE, PIECE, refused, sparse};
use crate::{ReachError, ReachErrorKind, Session, WriteOptions};

/// A tree on its way in.
struct Upload<'a> {
    session: &'a dyn Session,
    user: Option<&'a str>,
    copied: Copied,
    /// Folders still to be read, with their places in the sandbox.
    folders: Vec<(PathBuf, PathBuf)>,
    /// Modes that folders get once they are filled: a read-only one could not be.
    modes: Vec<(PathBuf, u32)>,
    /// Where files with several names went first, by device and inode.
    first_names: HashMap<(u64, u64), PathBuf>,
}

/// What a folder holds.
#[derive(Default)]
struct Found {
    files: Vec<(PathBuf, PathBuf, u32)>,
    links: Vec<(PathBuf, PathBuf)>,
    /// Places in the sandbox: of a file's first name, and of one more.
    names: Vec<(PathBuf, PathBuf)>,
}

/// Copies a file, a link's target or a tree at `local` to `remote`.
pub async fn upload(
    session: &dyn Session,
    local: &Path,
    remote: &Path,
    user: Option<&str>,
) -> Result<Copied, ReachError> {
    let status = fs::metadata(local).await.map_err(|error| unreadable(local, error))?;
    let mut upload = Upload {
        session,
        user,
        copied: Copied::default(),
        folders: Vec::new(),
        modes: Vec::new(),
        first_names: HashMap::new(),
    };
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
            let found = self.read_folder(&local, &remote).await?;
            for (local, remote) in found.links {
                self.link(&local, &remote).await?;
            }
            let copied: Vec<u64> = stream::iter(&found.files)
                .map(|(local, remote, mode)| self.file(local, remote, *mode))
                .buffer_unordered(AT_A_TIME)
                .try_collect()
                .await?;
            copied.into_iter().for_each(|bytes| self.copied.file(bytes));
            for (existing, name) in found.names {
                self.session.make_hard_link(&name, &existing, self.user).await?;
                self.copied.names += 1;
            }
        }
        for (folder, mode) in self.modes.iter().rev() {
            self.session.set_mode(folder, *mode, self.user).await?;
        }
        Ok(())
    }

    async fn make_folder(&mut self, local: &Path, remote: &Path) -> Result<(), ReachError> {
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

    async fn read_folder(&mut self, local: &Path, remote: &Path) -> Result<Found, ReachError> {
        let unreadable = |error| unreadable(local, error);
        let mut found = Found::default();
        let mut entries = fs::read_dir(local).await.map_err(unreadable)?;
        while let Some(entry) = entries.next_entry().await.map_err(unreadable)? {
            let (path, place) = (entry.path(), remote.join(entry.file_name()));
            let status = entry.metadata().await.map_err(unreadable)?;
            if status.is_symlink() {
                found.links.push((path, place));
            } else if status.is_dir() {
                self.folders.push((path, place));
            } else if !status.is_file() {
                return Err(refused(&path));
            } else if let Some(first) = self.known_name(&status, &place) {
                found.names.push((first, place));
            } else {
                found.files.push((path, place, status.permissions().mode()));
            }
        }
        Ok(found)
    }

    /// Where a file is or will be already that has this name, too.
    fn known_name(&mut self, status: &std::fs::Metadata, place: &Path) -> Option<PathBuf> {
        if status.nlink() < 2 {
            return None;
        }
        match self.first_names.entry((status.dev(), status.ino())) {
            Entry::Occupied(first) => Some(first.get().clone()),
            Entry::Vacant(vacant) => {
                vacant.insert(place.to_owned());
                None
            }
        }
    }

    async fn link(&mut self, local: &Path, remote: &Path) -> Result<(), ReachError> {
        let target = fs::read_link(local).await.map_err(|error| unreadable(local, error))?;
        self.session.make_symlink(remote, &target, self.user).await?;
        self.copied.links += 1;
        Ok(())
    }

    /// Copies one file; gives its length.
    async fn file(&self, local: &Path, remote: &Path, mode: u32) -> Result<u64, ReachError> {
        let file = File::open(local).await.map_err(|error| unreadable(local, error))?;
        let status = file.metadata().await.map_err(|error| unreadable(local, error))?;
        let options = WriteOptions { mode: Some(mode & MODE) };
        if sparse::has_holes(&status) {
            let content = sparse::read(file.into_std().await, status.len());
            self.session.write_extents(remote, options, content, self.user).await?;
        } else {
            self.session.write(remote, options, pieces(file), self.user).await?;
        }
        Ok(status.len())
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
