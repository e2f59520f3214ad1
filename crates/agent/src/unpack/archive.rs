//! What a stream of files holds.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use tar::{Entry, EntryType};

use super::cut;
use super::root::{Root, Time};

/// Puts all of it into the folder. A fault comes with what could not be put there.
pub(super) fn put_into(root: &Root, input: impl Read) -> Result<(), (PathBuf, io::Error)> {
    let broken = |error| (PathBuf::from("the archive"), error);
    let mut archive = tar::Archive::new(Input { input, ended: false });
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = Path::new(OsStr::from_bytes(&entry.path_bytes())).to_owned();
        put(root, &path, &mut entry).map_err(|error| (path, error))?;
    }
    let mut rest = archive.into_inner();
    if rest.ended {
        return Err(broken(cut()));
    }
    io::copy(&mut rest, &mut io::sink()).map_err(broken)?;
    Ok(())
}

fn put(root: &Root, path: &Path, entry: &mut Entry<'_, impl Read>) -> io::Result<()> {
    let modified = modified(entry)?;
    let mode = Mode::from_raw_mode(entry.header().mode()? & 0o777);
    match entry.header().entry_type() {
        EntryType::Directory => root.put_folder(path, mode, modified),
        EntryType::Regular => {
            let size = entry.size();
            root.put_file(path, mode, Some(modified), (entry, size))
        }
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            root.put_link(path, Path::new(OsStr::from_bytes(&target)), modified)
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "is neither file nor folder nor link")),
    }
}

/// To the nanosecond where that is told.
fn modified(entry: &mut Entry<'_, impl Read>) -> io::Result<Time> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "its time is none");
    let whole = i64::try_from(entry.header().mtime()?).map_err(|_| wrong())?;
    let Some(extensions) = entry.pax_extensions()? else { return Ok((whole, 0)) };
    for extension in extensions {
        let extension = extension?;
        if extension.key_bytes() == b"mtime" {
            return extension.value().ok().and_then(time).ok_or_else(wrong);
        }
    }
    Ok((whole, 0))
}

/// Of `[-]SECONDS[.NANOSECONDS]`: one before 1970 counts backwards.
fn time(text: &str) -> Option<Time> {
    let (seconds, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = format!("{rest:0<9}");
    let nanoseconds: u32 = digits.get(..9)?.parse().ok()?;
    let whole: i64 = seconds.parse().ok()?;
    match (seconds.starts_with('-'), nanoseconds) {
        (true, 1..) => Some((whole.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        _ => Some((whole, nanoseconds)),
    }
}

/// Remembers whether it ended: an archive says itself where it ends.
struct Input<R> {
    input: R,
    ended: bool,
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.ended |= length == 0 && !buffer.is_empty();
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time("12.5"), Some((12, 500_000_000)));
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("-0.250000000"), Some((-1, 750_000_000)));
        assert_eq!(time("-3.000000001"), Some((-4, 999_999_999)));
        for wrong in ["", "x", "1.x", "1.-5"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }
}
