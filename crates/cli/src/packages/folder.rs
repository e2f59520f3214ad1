//! Copies a package that is a folder.

use super::draft::{Draft, UnpackFault};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What tools leave in a folder, and is no part of a package.
const LEFT_OUT: [&str; 2] = [".git", "__pycache__"];

/// Copies all of it, under the rules that hold for archives.
pub(crate) fn copy(folder: &Path, draft: &mut Draft) -> Result<(), UnpackFault> {
    copy_below(folder, Path::new(""), draft)
}

fn copy_below(folder: &Path, below: &Path, draft: &mut Draft) -> Result<(), UnpackFault> {
    let place = folder.join(below);
    for name in names(&place).map_err(UnpackFault::io("list", &place.display().to_string()))? {
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let below = below.join(&name);
        let bytes = below.as_os_str().as_bytes();
        let path = folder.join(&below);
        let shown = path.display().to_string();
        let kind = path.symlink_metadata().map_err(UnpackFault::io("look at", &shown))?.file_type();
        if kind.is_dir() {
            draft.add_folder(bytes)?;
            copy_below(folder, &below, draft)?;
        } else if kind.is_symlink() {
            return Err(UnpackFault::refused(bytes, "is a link, and packages have none"));
        } else {
            copy_file(&path, bytes, draft)?;
        }
    }
    Ok(())
}

/// A pipe or a link that takes the file's place meanwhile neither blocks nor leads elsewhere.
fn copy_file(path: &Path, below: &[u8], draft: &mut Draft) -> Result<(), UnpackFault> {
    let shown = path.display().to_string();
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let opened = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let not_a_file = || UnpackFault::refused(below, "is neither a file nor a folder");
    let mut file = match opened {
        // A socket.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => return Err(not_a_file()),
        opened => opened.map_err(UnpackFault::io("read", &shown))?,
    };
    let metadata = file.metadata().map_err(UnpackFault::io("look at", &shown))?;
    if !metadata.is_file() {
        return Err(not_a_file());
    }
    draft.add_file(below, metadata.len(), metadata.permissions().mode() & 0o111 != 0, &mut file)
}

fn names(folder: &Path) -> std::io::Result<Vec<OsString>> {
    let mut names = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_files_and_folders_are_copied() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for left_out in [".git/config", "extensions/__pycache__/x.pyc", "extensions/x.py"] {
            let path = folder.path().join(left_out);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("makes");
            std::fs::write(path, "x").expect("writes");
        }
        let mut draft = Draft::new(None).expect("a folder");
        copy(folder.path(), &mut draft).expect("copies");
        assert_eq!(names(&draft.content()).expect("lists"), ["extensions"]);
        assert_eq!(names(&draft.content().join("extensions")).expect("lists"), ["x.py"]);

        let odd = folder.path().join("odd");
        let fault = || copy(folder.path(), &mut Draft::new(None).expect("a folder")).expect_err("refused").to_string();
        symlink("extensions/x.py", &odd).expect("links");
        assert_eq!(fault(), "`odd` is a link, and packages have none");
        std::fs::remove_file(&odd).expect("removes");
        rustix::fs::mkfifoat(rustix::fs::CWD, &odd, 0o600.into()).expect("makes");
        assert_eq!(fault(), "`odd` is neither a file nor a folder");
        std::fs::remove_file(&odd).expect("removes");
        let _socket = std::os::unix::net::UnixListener::bind(&odd).expect("binds");
        assert_eq!(fault(), "`odd` is neither a file nor a folder");
    }
}
