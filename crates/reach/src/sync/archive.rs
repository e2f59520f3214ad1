//! What is sent, as a stream that every `tar` reads: names as long and odd as they may be, and times to the nanosecond for those who
//! understand that.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tar::{EntryType, Header};
use tokio::sync::mpsc::Sender;

use super::local::{self, Entry, Kind, Source, Time};
use super::plan::Plan;
use crate::ReachError;

/// Sent at once.
const PIECE: usize = 256 * 1024;
const BLOCK: usize = 512;
/// What a header has room for.
const SHORT: usize = 100;
const LONG: &[u8] = b"././@LongLink";

/// What is sent of a folder.
#[derive(Debug)]
pub(super) struct Archive {
    source: Arc<Source>,
    send: Vec<(PathBuf, Entry)>,
    finish: Vec<(PathBuf, Entry)>,
}

/// What was really sent.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Of contents.
    pub(super) bytes: u64,
    /// What could not be opened any more, a line each.
    pub(super) vanished: Vec<String>,
}

/// Why a stream ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody takes more; who took it knows why.
    Unwanted,
    Fault(ReachError),
}

impl Archive {
    pub(super) fn of(source: Arc<Source>, plan: &Plan) -> Self {
        Self { source, send: plan.send.clone(), finish: plan.finish.clone() }
    }

    /// Writes it, where that may wait.
    pub(super) fn write(self, pieces: Sender<Bytes>) -> Result<Written, Stop> {
        let mut out = Out { pieces, piece: BytesMut::with_capacity(PIECE) };
        let mut written = Written::default();
        if self.send.is_empty() && self.finish.is_empty() {
            return Ok(written);
        }
        for (path, entry) in &self.send {
            match &entry.kind {
                Kind::Folder => out.folder(path, entry.mode | 0o700, entry.modified)?,
                Kind::Link { target } => out.head(&Head::link(path, target, entry.modified))?,
                Kind::File { .. } => self.file(path, &mut out, &mut written)?,
            }
        }
        for (path, entry) in &self.finish {
            out.folder(path, entry.mode, entry.modified)?;
        }
        out.write(&[0; 2 * BLOCK])?;
        out.flush()?;
        Ok(written)
    }

    fn file(&self, path: &Path, out: &mut Out, written: &mut Written) -> Result<(), Stop> {
        let opened = self.source.open(path).and_then(|file| file.metadata().map(|status| (file, status)));
        let (file, status) = match opened {
            Ok(opened) => opened,
            // Somebody works in the folder; the next sync finds it as it is then.
            Err(error) => {
                written.vanished.push(format!("left out: {}: {error}", path.display()));
                return Ok(());
            }
        };
        let (mode, modified) = (status.mode() & 0o777, local::modified(&status));
        out.head(&Head {
            kind: EntryType::Regular,
            path: path.as_os_str(),
            target: None,
            mode,
            size: status.len(),
            modified,
        })?;
        out.content(file, status.len()).map_err(|stop| match stop {
            Broken::Unwanted => Stop::Unwanted,
            Broken::Read(error) => Stop::Fault(ReachError::local(format!("cannot read `{}`", path.display()), error)),
        })?;
        written.bytes += status.len();
        Ok(())
    }
}

struct Head<'a> {
    kind: EntryType,
    path: &'a OsStr,
    target: Option<&'a OsStr>,
    mode: u32,
    size: u64,
    modified: Time,
}

impl<'a> Head<'a> {
    fn link(path: &'a Path, target: &'a Path, modified: Time) -> Self {
        let target = Some(target.as_os_str());
        Self { kind: EntryType::Symlink, path: path.as_os_str(), target, mode: 0o777, size: 0, modified }
    }
}

enum Broken {
    Unwanted,
    Read(io::Error),
}

struct Out {
    pieces: Sender<Bytes>,
    piece: BytesMut,
}

impl Out {
    fn folder(&mut self, path: &Path, mode: u32, modified: Time) -> Result<(), Stop> {
        self.head(&Head { kind: EntryType::Directory, path: path.as_os_str(), target: None, mode, size: 0, modified })
    }

    fn head(&mut self, head: &Head<'_>) -> Result<(), Stop> {
        if head.modified.1 != 0 || head.modified.0 < 0 {
            self.exact_time(head.modified)?;
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(head.kind);
        header.set_mode(head.mode);
        header.set_size(head.size);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(u64::try_from(head.modified.0).unwrap_or(0));
        if let Some(target) = head.target {
            self.name(EntryType::GNULongLink, target.as_bytes())?;
            put(&mut header.as_old_mut().linkname, target.as_bytes());
        }
        self.name(EntryType::GNULongName, head.path.as_bytes())?;
        put(&mut header.as_old_mut().name, head.path.as_bytes());
        header.set_cksum();
        self.write(header.as_bytes())
    }

    /// A name that its header has no room for.
    fn name(&mut self, kind: EntryType, name: &[u8]) -> Result<(), Stop> {
        if name.len() < SHORT {
            return Ok(());
        }
        self.extra(kind, LONG, &[name, b"\0"].concat())
    }

    /// What is behind the seconds: `LENGTH mtime=TIME`, where the length counts itself.
    fn exact_time(&mut self, (seconds, nanoseconds): Time) -> Result<(), Stop> {
        // A time before 1970 counts backwards from the next second.
        let time = match (seconds, nanoseconds) {
            (seconds, 0) => seconds.to_string(),
            (seconds, rest) if seconds < 0 => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - rest),
            (seconds, rest) => format!("{seconds}.{rest:09}"),
        };
        let text = format!(" mtime={time}\n");
        // Of two digits, as every time of ours makes it.
        self.extra(EntryType::XHeader, b"time", format!("{}{text}", text.len() + 2).as_bytes())
    }

    fn extra(&mut self, kind: EntryType, name: &[u8], content: &[u8]) -> Result<(), Stop> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        put(&mut header.as_old_mut().name, name);
        header.set_cksum();
        self.write(header.as_bytes())?;
        self.write(content)?;
        self.pad(content.len() as u64)
    }

    /// As many bytes as were promised: zeros for what is missing since.
    fn content(&mut self, mut file: File, size: u64) -> Result<(), Broken> {
        let mut left = size;
        while left > 0 {
            let start = self.piece.len();
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE - start);
            self.piece.resize(start + room, 0);
            let length = match file.read(&mut self.piece[start..]) {
                // The rest stays as it is made: zeros.
                Ok(0) => room,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(Broken::Read(error)),
            };
            self.piece.truncate(start + length);
            left -= length as u64;
            self.flush_full().map_err(|_| Broken::Unwanted)?;
        }
        self.pad(size).map_err(|_| Broken::Unwanted)
    }

    fn pad(&mut self, size: u64) -> Result<(), Stop> {
        let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        if over == 0 { Ok(()) } else { self.write(&[0; BLOCK][over..]) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.piece.extend_from_slice(bytes);
        self.flush_full()
    }

    fn flush_full(&mut self) -> Result<(), Stop> {
        if self.piece.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let piece = std::mem::replace(&mut self.piece, BytesMut::with_capacity(PIECE + BLOCK)).freeze();
        self.pieces.blocking_send(piece).map_err(|_| Stop::Unwanted)
    }
}

/// As much of a name as there is room for.
fn put(room: &mut [u8], name: &[u8]) {
    let length = name.len().min(room.len());
    room[..length].copy_from_slice(&name[..length]);
}
