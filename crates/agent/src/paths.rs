//! Paths as requests give them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Makes a request's path absolute: `~` and relative paths start at the user's home. Only doubled slashes and single
/// dots are taken out; what `..` means is the kernel's to say, since the component before it may be a link.
pub(crate) fn absolute(path: impl AsRef<OsStr>, home: &str) -> PathBuf {
    let path = path.as_ref().as_bytes();
    let (base, rest) = match path.strip_prefix(b"~") {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => (home.as_bytes(), rest),
        _ if path.starts_with(b"/") => (&b""[..], path),
        _ => (home.as_bytes(), path),
    };
    let mut clean = Vec::with_capacity(base.len() + path.len() + 1);
    for part in base.split(is_slash).chain(rest.split(is_slash)).filter(|part| !matches!(*part, b"" | b".")) {
        clean.push(b'/');
        clean.extend_from_slice(part);
    }
    if clean.is_empty() { PathBuf::from("/") } else { OsString::from_vec(clean).into() }
}

fn is_slash(byte: &u8) -> bool {
    *byte == b'/'
}

/// A path out of a message's bytes.
pub(crate) fn from_bytes(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A path for people and for messages that hold text only.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_home() {
        for (path, expected) in [
            ("a.txt", "/home/user/a.txt"),
            ("", "/home/user"),
            ("~", "/home/user"),
            ("~/x//y/", "/home/user/x/y"),
            ("~other", "/home/user/~other"),
            ("/", "/"),
            ("/etc/./passwd", "/etc/passwd"),
            ("/a/../b", "/a/../b"),
            ("./a", "/home/user/a"),
        ] {
            assert_eq!(absolute(path, "/home/user"), Path::new(expected), "{path}");
        }
        assert_eq!(absolute("a", "/"), Path::new("/a"));
    }

    #[test]
    fn names_need_not_be_text() {
        let path = absolute(from_bytes(b"\xff/./\xfe"), "/home/user");
        assert_eq!(path.as_os_str().as_bytes(), b"/home/user/\xff/\xfe");
    }
}
