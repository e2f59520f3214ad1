//! What envd's clients note about a file: extended attributes of their own name space.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use http::HeaderMap;
use rustix::fs::{XattrFlags, flistxattr, fremovexattr, fsetxattr, getxattr, listxattr};
use rustix::io::Errno;

use crate::answer::Refusal;

const HEADER: &str = "x-metadata-";
const NAMESPACE: &str = "user.e2b.";
/// The kernel's limit of a name, less the name space.
const LONGEST_KEY: usize = 255 - NAMESPACE.len();
/// Of a file's keys, with the name space, and values together.
const LARGEST: usize = 4096;
/// The kernel's limit of all names of a file.
const NAMES: usize = 64 * 1024;

/// The keys and values of one file.
pub(super) type Metadata = BTreeMap<String, String>;

/// What the headers of an upload say.
pub(super) fn from_headers(headers: &HeaderMap) -> Result<Metadata, Refusal> {
    let mut metadata = Metadata::new();
    let mut size = 0;
    for name in headers.keys() {
        let Some(key) = name.as_str().strip_prefix(HEADER) else { continue };
        // The first of several counts.
        let value = headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(Refusal::bad_request(format!("a metadata key has 1 to {LONGEST_KEY} bytes")));
        }
        let printable = value.iter().all(|byte| (0x20..=0x7e).contains(byte));
        let (true, Ok(value)) = (printable, std::str::from_utf8(value)) else {
            return Err(Refusal::bad_request(format!("the value of the metadata `{key}` is not printable ASCII")));
        };
        size += NAMESPACE.len() + key.len() + value.len();
        metadata.insert(key.to_owned(), value.to_owned());
    }
    if size > LARGEST {
        return Err(Refusal::bad_request(format!("the metadata has {size} bytes, more than {LARGEST}")));
    }
    Ok(metadata)
}

/// Gives a file just these.
pub(super) fn replace(file: &File, metadata: &Metadata) -> io::Result<()> {
    let mut names = Vec::new();
    match flistxattr(file, rustix::buffer::spare_capacity(reserve(&mut names))) {
        Ok(_) => {}
        // A file system without attributes has none to remove.
        Err(Errno::NOTSUP) if metadata.is_empty() => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    for name in own(&names).filter(|key| !metadata.contains_key(*key)) {
        match fremovexattr(file, format!("{NAMESPACE}{name}")) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for (key, value) in metadata {
        fsetxattr(file, format!("{NAMESPACE}{key}"), value.as_bytes(), XattrFlags::empty())?;
    }
    Ok(())
}

/// Those of what a path leads to. What cannot be read has none.
pub(super) fn read(path: &Path) -> Metadata {
    let mut names = Vec::new();
    // Nearly every file has none, so its names are asked for with a small buffer first.
    let mut few = [0; 256];
    let listed = match listxattr(path, &mut few) {
        Ok(0) => return Metadata::new(),
        Ok(length) => {
            names.extend_from_slice(&few[..length]);
            Ok(length)
        }
        Err(Errno::RANGE) => listxattr(path, rustix::buffer::spare_capacity(reserve(&mut names))),
        other => other,
    };
    if listed.is_err() {
        return Metadata::new();
    }
    own(&names).filter_map(|key| Some((key.to_owned(), value(path, key)?))).collect()
}

fn value(path: &Path, key: &str) -> Option<String> {
    let mut value = Vec::with_capacity(LARGEST);
    getxattr(path, format!("{NAMESPACE}{key}"), rustix::buffer::spare_capacity(&mut value)).ok()?;
    value.shrink_to_fit();
    String::from_utf8(value).ok()
}

fn reserve(names: &mut Vec<u8>) -> &mut Vec<u8> {
    names.reserve(NAMES);
    names
}

/// The keys of our name space among the names.
fn own(names: &[u8]) -> impl Iterator<Item = &str> {
    names.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok()?.strip_prefix(NAMESPACE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn headers_become_metadata() {
        let metadata = from_headers(&headers(&[("x-metadata-a", "1"), ("x-metadata-b-c", "~ "), ("host", "x")]));
        assert_eq!(metadata.unwrap(), [("a".into(), "1".into()), ("b-c".into(), "~ ".into())].into());
        assert!(from_headers(&headers(&[("x-metadata-", "1")])).is_err());
        assert!(from_headers(&headers(&[("x-metadata-a", "\u{e9}")])).is_err());
        let long = "x".repeat(LARGEST - NAMESPACE.len() - 1);
        assert!(from_headers(&headers(&[("x-metadata-a", &long)])).is_ok());
        assert!(from_headers(&headers(&[("x-metadata-a", &format!("{long}x"))])).is_err());
    }

    #[test]
    fn each_upload_replaces_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::create(&path).unwrap();
        if fsetxattr(&file, "user.other", b"kept", XattrFlags::empty()).is_err() {
            // Nothing can be noted on this file system.
            return;
        }
        let one: Metadata = [("a".into(), "1".into()), ("b".into(), "2".into())].into();
        replace(&file, &one).unwrap();
        assert_eq!(read(&path), one);
        let other: Metadata = [("b".into(), "3".into())].into();
        replace(&file, &other).unwrap();
        assert_eq!(read(&path), other);
        replace(&file, &Metadata::new()).unwrap();
        assert_eq!(read(&path), Metadata::new());
        let mut kept = [0; 8];
        assert_eq!(getxattr(&path, "user.other", &mut kept).unwrap(), 4);
        assert_eq!(read(Path::new("/no/such")), Metadata::new());
    }
}
