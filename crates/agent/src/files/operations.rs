//! Changes to names and attributes. Each runs on a worker, with the rights of its user.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::open;
use super::place::{Place, target, way_to};

/// A new directory with the parents that lack.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    match with_parents(path, Place::make_folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && open::folder(path).is_err() => {
            Err(io::Error::new(io::ErrorKind::NotADirectory, "it exists and is not a directory"))
        }
        other => other,
    }
}

/// The parents that lack.
pub(crate) fn make_parents(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    match open::folder(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map(drop),
    }
    make_parents(parent)?;
    match Place::of(parent)?.make_folder() {
        // Somebody else made it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Does something at a place; where its parents lack, makes them first.
fn with_parents(path: &Path, work: impl Fn(&Place) -> io::Result<()>) -> io::Result<()> {
    let place = match Place::of(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_parents(path)?;
            Place::of(path)?
        }
        other => other?,
    };
    work(&place)
}

/// Renames, replacing what stood there.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let from = Place::of(from)?;
    // That the source lacks is told before anything is made.
    from.entry()?;
    with_parents(to, |to| from.rename_to(to))
}

/// A link, replacing an old one of that name.
pub(crate) fn make_symlink(path: &Path, target: &Path) -> io::Result<()> {
    with_parents(path, |place| match place.make_symlink(target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && place.entry()?.metadata()?.is_symlink() => {
            place.unlink()?;
            place.make_symlink(target)
        }
        other => other,
    })
}

/// One more name of a file, replacing a file or a link of that name.
pub(crate) fn make_hard_link(path: &Path, existing: &Path) -> io::Result<()> {
    let existing = Place::of(existing)?;
    existing.entry()?;
    with_parents(path, |place| match existing.link_to(place) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if is_same_file(place, &existing)? {
                return Ok(());
            }
            place.unlink()?;
            existing.link_to(place)
        }
        other => other,
    })
}

fn is_same_file(one: &Place, other: &Place) -> io::Result<bool> {
    let (one, other) = (one.entry()?.metadata()?, other.entry()?.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Permission bits of what the path leads to.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(way_to(&target(path)?), fs::Permissions::from_mode(mode))
}
