//! Entries as envd describes them.

use std::fs::{self, File, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use sandboxer_envd::filesystem::{EntryInfo, FileType as WireType};

use super::place::{Place, target, way_to};
use super::{metadata, own as own_entries};
use crate::accounts::Accounts;

/// Describes what stands at `path`. Of a link, type and mode are its target's, as in envd.
pub(super) fn describe(path: &Path, accounts: &Accounts) -> io::Result<EntryInfo> {
    of(path, &Place::of(path)?.entry()?, accounts)
}

/// The same, of an entry that is open.
pub(super) fn of(path: &Path, entry: &File, accounts: &Accounts) -> io::Result<EntryInfo> {
    let status = &entry.metadata()?;
    let (kind, mode, target) = if status.is_symlink() { follow(path) } else { own(status) };
    Ok(EntryInfo {
        name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        r#type: kind.into(),
        path: path.to_string_lossy().into_owned(),
        size: i64::try_from(status.size()).unwrap_or(i64::MAX),
        mode,
        permissions: permissions(status.file_type(), status.mode()),
        owner: accounts.user_name(status.uid()),
        group: accounts.group_name(status.gid()),
        modified_time: own_entries::modified(status).into(),
        symlink_target: target,
        metadata: metadata::read(&way_to(entry)).into_iter().collect(),
    })
}

fn own(status: &Metadata) -> (WireType, u32, Option<String>) {
    let kind = if status.is_file() {
        WireType::FILE_TYPE_FILE
    } else if status.is_dir() {
        WireType::FILE_TYPE_DIRECTORY
    } else {
        WireType::FILE_TYPE_UNSPECIFIED
    };
    (kind, status.mode() & 0o7777, None)
}

/// A link that leads nowhere is of no type and gives its own path as target, as in envd.
fn follow(path: &Path) -> (WireType, u32, Option<String>) {
    let target = target(path).and_then(|target| Ok((target.metadata()?, fs::read_link(way_to(&target))?)));
    match target {
        Ok((status, target)) => {
            let (kind, mode, _) = own(&status);
            (kind, mode, Some(target.to_string_lossy().into_owned()))
        }
        Err(_) => (WireType::FILE_TYPE_UNSPECIFIED, 0, Some(path.to_string_lossy().into_owned())),
    }
}

/// As Go prints a file mode: `-rw-r--r--`, `drwxr-xr-x`, `Lrwxrwxrwx`, `dtrwxrwxrwx`.
fn permissions(kind: FileType, mode: u32) -> String {
    let mut text = String::with_capacity(10);
    let kinds = [
        (kind.is_dir(), "d"),
        (kind.is_symlink(), "L"),
        (kind.is_block_device(), "D"),
        (kind.is_fifo(), "p"),
        (kind.is_socket(), "S"),
        (mode & 0o4000 != 0, "u"),
        (mode & 0o2000 != 0, "g"),
        (kind.is_char_device(), "Dc"),
        (mode & 0o1000 != 0, "t"),
    ];
    text.extend(kinds.into_iter().filter_map(|(is, letter)| is.then_some(letter)));
    if text.is_empty() {
        text.push('-');
    }
    for (bit, letter) in (0..9).rev().zip("rwxrwxrwx".chars()) {
        text.push(if mode & (1 << bit) != 0 { letter } else { '-' });
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn entries_are_described_as_by_envd() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let file = root.join("file");
        fs::write(&file, "four").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("file", root.join("link")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        let accounts = Accounts::default();
        let entry = describe(&file, &accounts).unwrap();
        assert_eq!((entry.name.as_str(), entry.size, entry.mode), ("file", 4, 0o640));
        assert_eq!((entry.permissions.as_str(), entry.symlink_target), ("-rw-r-----", None));
        let entry = describe(&root.join("link"), &accounts).unwrap();
        assert_eq!(entry.r#type, WireType::FILE_TYPE_FILE);
        assert_eq!((entry.permissions.as_str(), entry.mode), ("Lrwxrwxrwx", 0o640));
        assert_eq!(entry.symlink_target.as_deref(), file.to_str());
        let entry = describe(&root.join("dangling"), &accounts).unwrap();
        assert_eq!(entry.r#type, WireType::FILE_TYPE_UNSPECIFIED);
        assert!(entry.symlink_target.is_some());
        let entry = describe(&root, &accounts).unwrap();
        assert_eq!((entry.r#type.as_known(), &entry.permissions[..1]), (Some(WireType::FILE_TYPE_DIRECTORY), "d"));
        assert_eq!(describe(Path::new("/"), &accounts).unwrap().name, "/");
    }
}
