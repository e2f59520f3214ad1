//! Changes to names and attributes. Each runs on a worker, with the rights of its user.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

/// A new directory with the parents that lack.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !path.is_dir() => {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "it exists and is not a directory"));
        }
        other => return other,
    }
    make_parents(path)?;
    fs::create_dir(path)
}

/// The parents that lack.
pub(crate) fn make_parents(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Renames, replacing what stood there.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Either the source lacks, which is told before anything is made, or the target's parent.
            fs::symlink_metadata(from)?;
            make_parents(to)?;
            fs::rename(from, to)
        }
        other => other,
    }
}

/// A link, replacing an old one of that name.
pub(crate) fn make_symlink(path: &Path, target: &Path) -> io::Result<()> {
    match symlink(target, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_parents(path)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_symlink() => fs::remove_file(path)?,
        other => return other,
    }
    symlink(target, path)
}

/// One more name of a file, replacing a file or a link of that name.
pub(crate) fn make_hard_link(path: &Path, existing: &Path) -> io::Result<()> {
    match fs::hard_link(existing, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Either the file lacks, which is told before anything is made, or the parent of its new name.
            fs::symlink_metadata(existing)?;
            make_parents(path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if is_same_file(path, existing)? {
                return Ok(());
            }
            fs::remove_file(path)?;
        }
        other => return other,
    }
    fs::hard_link(existing, path)
}

fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Permission bits.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
