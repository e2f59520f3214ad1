//! Changes to names and attributes. Each runs on a worker, with the rights of its user.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
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

/// The literal target of a link.
pub(crate) fn read_symlink(path: &Path) -> io::Result<String> {
    let target = fs::read_link(path)?.into_os_string().into_string();
    target.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the link's target is not UTF-8"))
}

/// A link, replacing an old one of that name.
pub(crate) fn make_symlink(path: &Path, target: &str) -> io::Result<()> {
    match symlink(target, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_parents(path)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_symlink() => fs::remove_file(path)?,
        other => return other,
    }
    symlink(target, path)
}

/// Permission bits.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
