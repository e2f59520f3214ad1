//! The Python package, unpacked where an interpreter can read it.

use crate::error::local_fault;
use sandboxer_types::Failure;
use std::io;
use std::path::{Path, PathBuf};

/// Each file of the package by its path below the folder.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/python_package.rs"));

/// Unpacks the package below `folder`, where it is missing. Returns the folder that `python3` is given as its program.
///
/// Another version of `sandboxer` may run at the same time, so the folder bears a digest of what is in it; it appears as a
/// whole, or not at all.
pub(super) fn unpack(folder: &Path) -> Result<PathBuf, Failure> {
    let unpacked = folder.join(format!("sandboxer-{}", digest()));
    if !unpacked.is_dir() {
        write(folder, &unpacked)
            .map_err(|error| local_fault(format!("unpack the Python package into `{}`", folder.display()), &error))?;
    }
    Ok(unpacked)
}

fn digest() -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, content) in FILES {
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher.update(&(content.len() as u64).to_le_bytes()).update(content);
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn write(folder: &Path, unpacked: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let draft = folder.join(format!(".{}", std::process::id()));
    for (name, content) in FILES {
        let path = draft.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)?;
    }
    match std::fs::rename(&draft, unpacked) {
        // Somebody else was faster, and has unpacked the same.
        Err(_) if unpacked.is_dir() => std::fs::remove_dir_all(&draft),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_unpacked_once_and_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let unpacked = unpack(folder.path()).expect("unpacked");
        assert!(unpacked.join("__main__.py").is_file() && unpacked.join("sandboxer/extensions/base.py").is_file());
        assert_eq!(unpack(folder.path()).expect("there already"), unpacked);
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    }
}
