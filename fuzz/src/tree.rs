//! The files that a fuzzed agent finds, and whether what a user may not touch stayed as it was.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

/// The home of the user that requests act as.
pub const HOME: &str = "/home/user";
/// That user.
pub const USER: u32 = 1000;
const ACCOUNTS: &str = "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\nother:x:7:7::/other:/bin/sh\n";
const GROUPS: &str = "root:x:0:\nuser:x:1000:\nother:x:7:user\n";
/// What is nobody's business but root's, with all the directories on the way there.
const GUARDED: [&str; 7] = ["/", "/etc", "/etc/passwd", "/etc/group", "/home", "/guarded", "/guarded/secret"];

/// Removes everything, and makes it anew.
pub fn plant(others_too: bool) {
    try_plant(others_too).expect("a tree of files");
}

fn try_plant(others_too: bool) -> io::Result<()> {
    clear(Path::new("/"))?;
    for folder in ["/etc", "/guarded", "/home", HOME, "/tmp"] {
        fs::create_dir(folder)?;
    }
    fs::write("/etc/passwd", ACCOUNTS)?;
    fs::write("/etc/group", GROUPS)?;
    fs::write("/guarded/secret", "secret")?;
    fs::set_permissions("/guarded", fs::Permissions::from_mode(0o700))?;
    fs::set_permissions("/tmp", fs::Permissions::from_mode(0o1777))?;
    symlink("/guarded", "/home/user/link")?;
    symlink("/etc/passwd", "/home/user/accounts")?;
    fs::write("/home/user/file", "content")?;
    if others_too {
        chown(HOME, Some(USER), Some(USER))?;
        chown("/home/user/file", Some(USER), Some(USER))?;
    }
    Ok(())
}

fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// What changes when something in the guarded places does.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamp(Vec<(u32, u32, u64, i64, i64, i64, i64)>);

impl Stamp {
    /// As it is now.
    pub fn take() -> Self {
        let stamps = GUARDED.iter().map(|path| {
            let status = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("`{path}` is gone: {error}"));
            let (modified, changed) = ((status.mtime(), status.mtime_nsec()), (status.ctime(), status.ctime_nsec()));
            (status.mode(), status.uid(), status.size(), modified.0, modified.1, changed.0, changed.1)
        });
        Self(stamps.collect())
    }
}
