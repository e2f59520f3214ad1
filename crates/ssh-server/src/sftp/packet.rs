//! What packets of sftp, version 3, hold.

use std::os::unix::ffi::OsStrExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use sandboxer_reach::{Entry, EntryKind, ReachError, ReachErrorKind};

use crate::wire::{Malformed, Put as _, Reader};

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const LSTAT: u8 = 7;
pub(super) const FSTAT: u8 = 8;
pub(super) const SETSTAT: u8 = 9;
pub(super) const FSETSTAT: u8 = 10;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const RMDIR: u8 = 15;
pub(super) const REALPATH: u8 = 16;
pub(super) const STAT: u8 = 17;
pub(super) const RENAME: u8 = 18;
pub(super) const READLINK: u8 = 19;
pub(super) const SYMLINK: u8 = 20;
pub(super) const STATUS: u8 = 101;
pub(super) const HANDLE: u8 = 102;
pub(super) const DATA: u8 = 103;
pub(super) const NAME: u8 = 104;
pub(super) const ATTRIBUTES: u8 = 105;
pub(super) const EXTENDED: u8 = 200;
pub(super) const EXTENDED_REPLY: u8 = 201;

/// How a file is opened.
pub(super) mod flags {
    pub(crate) const READ: u32 = 1;
    pub(crate) const WRITE: u32 = 2;
    pub(crate) const APPEND: u32 = 4;
    pub(crate) const CREATE: u32 = 8;
    pub(crate) const TRUNCATE: u32 = 16;
    pub(crate) const EXCLUSIVE: u32 = 32;
}

const WITH_SIZE: u32 = 1;
const WITH_OWNER: u32 = 2;
const WITH_MODE: u32 = 4;
const WITH_TIMES: u32 = 8;
const WITH_MORE: u32 = 1 << 31;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Ok = 0,
    Eof = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    Unsupported = 8,
}

/// A request that was not done.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) words: String,
}

impl Fault {
    pub(super) fn new(code: Code, words: impl Into<String>) -> Self {
        Self { code, words: words.into() }
    }

    pub(super) fn eof() -> Self {
        Self::new(Code::Eof, "end of file")
    }
}

impl From<ReachError> for Fault {
    fn from(error: ReachError) -> Self {
        let code = match error.kind() {
            ReachErrorKind::NotFound => Code::NoSuchFile,
            ReachErrorKind::PermissionDenied => Code::PermissionDenied,
            ReachErrorKind::Unsupported => Code::Unsupported,
            _ => Code::Failure,
        };
        Self::new(code, error.to_string())
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::Failure, format!("this machine cannot keep the file meanwhile: {error}"))
    }
}

impl From<Malformed> for Fault {
    fn from(error: Malformed) -> Self {
        Self::new(Code::BadMessage, error.to_string())
    }
}

/// What is said of a file, as far as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    pub(super) owner: Option<(u32, u32)>,
    /// What it is, and its permission bits.
    pub(super) mode: Option<u32>,
    /// When it was last read and written, in seconds of the epoch.
    pub(super) times: Option<(u32, u32)>,
}

impl Attributes {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.number()?;
        let has = |flag| flags & flag != 0;
        let mut attributes = Self::default();
        if has(WITH_SIZE) {
            attributes.size = Some(reader.long_number()?);
        }
        if has(WITH_OWNER) {
            attributes.owner = Some((reader.number()?, reader.number()?));
        }
        if has(WITH_MODE) {
            attributes.mode = Some(reader.number()?);
        }
        if has(WITH_TIMES) {
            attributes.times = Some((reader.number()?, reader.number()?));
        }
        if has(WITH_MORE) {
            for _ in 0..reader.number()? {
                reader.string()?;
                reader.string()?;
            }
        }
        Ok(attributes)
    }

    pub(super) fn write(&self, packet: &mut Vec<u8>) {
        let flag = |present: bool, flag: u32| if present { flag } else { 0 };
        packet.put_number(
            flag(self.size.is_some(), WITH_SIZE)
                | flag(self.owner.is_some(), WITH_OWNER)
                | flag(self.mode.is_some(), WITH_MODE)
                | flag(self.times.is_some(), WITH_TIMES),
        );
        if let Some(size) = self.size {
            packet.put_long_number(size);
        }
        if let Some((user, group)) = self.owner {
            packet.put_number(user).put_number(group);
        }
        if let Some(mode) = self.mode {
            packet.put_number(mode);
        }
        if let Some((read, written)) = self.times {
            packet.put_number(read).put_number(written);
        }
    }

    /// Of an entry. Owners are names there, which this version of sftp has no room for.
    pub(super) fn of(entry: &Entry) -> Self {
        let written = entry.modified.map(seconds);
        Self {
            size: Some(entry.size),
            owner: None,
            mode: Some(kind_bits(entry.kind) | entry.mode & 0o7777),
            times: written.map(|written| (written, written)),
        }
    }
}

fn seconds(time: SystemTime) -> u32 {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn kind_bits(kind: EntryKind) -> u32 {
    match kind {
        EntryKind::File => 0o100_000,
        EntryKind::Directory => 0o040_000,
        EntryKind::Symlink => 0o120_000,
        EntryKind::Pipe => 0o010_000,
        EntryKind::Socket => 0o140_000,
        EntryKind::Device => 0o020_000,
        _ => 0,
    }
}

/// One name of an answer, with a line for people, as `ls -l` has it.
pub(super) fn put_name(packet: &mut Vec<u8>, name: &[u8], entry: &Entry) {
    let modified = entry.modified.and_then(|time| jiff::Timestamp::try_from(time).ok());
    let modified = modified.map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string());
    let Entry { links, owner, group, size, .. } = entry;
    let mut line = format!("{} {links:>4} {owner:<8} {group:<8} {size:>8} {modified} ", letters(entry)).into_bytes();
    line.extend_from_slice(name);
    packet.put_string(name).put_string(&line);
    Attributes::of(entry).write(packet);
}

/// A name alone, of which nothing else is said.
pub(super) fn put_bare_name(packet: &mut Vec<u8>, name: &std::path::Path) {
    let name = name.as_os_str().as_bytes();
    packet.put_string(name).put_string(name);
    Attributes::default().write(packet);
}

fn letters(entry: &Entry) -> String {
    let kind = match entry.kind {
        EntryKind::Directory => 'd',
        EntryKind::Symlink => 'l',
        EntryKind::Pipe => 'p',
        EntryKind::Socket => 's',
        EntryKind::Device => 'c',
        _ => '-',
    };
    let bit = |shift: u32| if entry.mode >> (8 - shift) & 1 == 1 { ['r', 'w', 'x'][(shift % 3) as usize] } else { '-' };
    std::iter::once(kind).chain((0..9).map(bit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_are_written_are_read() {
        for attributes in [
            Attributes::default(),
            Attributes { size: Some(1 << 40), ..Attributes::default() },
            Attributes { size: Some(3), owner: Some((1, 2)), mode: Some(0o100_644), times: Some((5, 6)) },
        ] {
            let mut packet = Vec::new();
            attributes.write(&mut packet);
            assert_eq!(Attributes::read(&mut Reader::new(&packet)), Ok(attributes));
        }
        let mut packet = Vec::new();
        packet.put_number(WITH_MORE).put_number(1_000_000_000);
        assert_eq!(Attributes::read(&mut Reader::new(&packet)), Err(Malformed));
    }
}
