//! The file system of this machine, where a copy goes to or comes from.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::fs;

use crate::ReachError;

/// A folder to fill. Below the top, a link in its place is replaced: an earlier copy may have brought it, and what it
/// leads to is not ours to fill.
pub(super) async fn make_folder(path: &Path, top: bool) -> io::Result<()> {
    match fs::create_dir(path).await {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let status = if top { fs::metadata(path).await? } else { fs::symlink_metadata(path).await? };
    if status.is_symlink() {
        fs::remove_file(path).await?;
        return fs::create_dir(path).await;
    }
    if status.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// A symbolic link, replacing another one only.
pub(super) async fn make_link(target: &Path, path: &Path) -> io::Result<()> {
    match fs::symlink(target, path).await {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    if !fs::symlink_metadata(path).await?.is_symlink() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::remove_file(path).await?;
    fs::symlink(target, path).await
}

/// One more name of a file, replacing what stood there unless that is a folder. No link is followed.
pub(super) async fn make_name(existing: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(existing, path).await {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    fs::remove_file(path).await?;
    fs::hard_link(existing, path).await
}

pub(super) async fn set_mode(path: &Path, mode: u32) -> Result<(), ReachError> {
    let set = fs::set_permissions(path, Permissions::from_mode(mode)).await;
    set.map_err(|error| unwritable(path, error))
}

pub(super) fn unwritable(path: &Path, error: io::Error) -> ReachError {
    ReachError::local(format_args!("cannot write `{}`", path.display()), error)
}

pub(super) fn unreadable(path: &Path, error: io::Error) -> ReachError {
    ReachError::local(format_args!("cannot read `{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[tokio::test]
    async fn a_planted_link_is_replaced_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let place = root.path().join("place");
        symlink(&outside, &place).unwrap();
        make_folder(&place, false).await.unwrap();
        assert!(std::fs::symlink_metadata(&place).unwrap().is_dir());
        make_folder(&place, false).await.unwrap();
        symlink(&outside, root.path().join("top")).unwrap();
        make_folder(&root.path().join("top"), true).await.unwrap();
        assert!(root.path().join("top").is_symlink());
    }

    #[tokio::test]
    async fn a_name_takes_the_place_of_a_link_and_leaves_what_it_led_to() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::write(path("file"), "new").unwrap();
        std::fs::write(path("other"), "old").unwrap();
        symlink("other", path("name")).unwrap();
        make_name(&path("file"), &path("name")).await.unwrap();
        assert_eq!(std::fs::read(path("other")).unwrap(), b"old");
        assert_eq!(std::fs::metadata(path("name")).unwrap().ino(), std::fs::metadata(path("file")).unwrap().ino());
        std::fs::create_dir(path("folder")).unwrap();
        make_name(&path("file"), &path("folder")).await.unwrap_err();
    }
}
