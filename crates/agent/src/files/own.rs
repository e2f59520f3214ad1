//! Entries and changes as `sandboxer.agent.v1` describes them: names are bytes, and nothing is left out.

use std::fs::{File, FileType, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use rustix::fs::{Dir, Mode, OFlags};
use sandboxer_envd::Timestamp;
use sandboxer_envd::agent::watch_response::{Change as WireChange, Event, KeepAlive, Overflow, Watching};
use sandboxer_envd::agent::{ChangeKind as WireKind, Entry, EntryKind, ListDirectoryResponse, WatchResponse};
use sandboxer_envd::connectrpc::ConnectError;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::call::{FileCall, fault};
use super::list::own_name;
use super::open;
use super::place::{Place, entry_in, read_link, target};
use super::watch::{self, Change, ChangeKind, Told, Wanted};
use crate::accounts::Accounts;

/// The beginning of the year 1, and the end of the year 9999, in seconds since 1970.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;
/// Entries in one part of a listing.
const PART: usize = 1000;
/// Parts that wait for a client that does not read.
const WAITING: usize = 2;

/// Describes what stands at `path`.
pub(crate) fn describe(path: &Path, accounts: &Accounts) -> io::Result<Entry> {
    of(path, &Place::of(path)?.entry()?, accounts)
}

fn of(path: &Path, entry: &File, accounts: &Accounts) -> io::Result<Entry> {
    let status = entry.metadata()?;
    let link = status.is_symlink().then(|| read_link(entry).ok()).flatten();
    let leads_to = link.as_ref().and_then(|_| target(path).and_then(|target| target.metadata()).ok());
    Ok(Entry {
        path: bytes(path.to_owned()),
        kind: kind(status.file_type()).into(),
        size: status.size(),
        mode: status.mode() & 0o7777,
        owner: accounts.user_name(status.uid()),
        group: accounts.group_name(status.gid()),
        modified: modified(&status).into(),
        target: link.map(bytes),
        target_kind: leads_to.map_or(EntryKind::Unspecified, |status| kind(status.file_type())).into(),
        allocated: status.blocks() * 512,
        links: status.nlink(),
        inode: status.ino(),
        device: status.dev(),
    })
}

fn bytes(path: PathBuf) -> Bytes {
    path.into_os_string().into_vec().into()
}

fn kind(from: FileType) -> EntryKind {
    if from.is_file() {
        EntryKind::File
    } else if from.is_dir() {
        EntryKind::Directory
    } else if from.is_symlink() {
        EntryKind::Symlink
    } else if from.is_fifo() {
        EntryKind::Pipe
    } else if from.is_socket() {
        EntryKind::Socket
    } else {
        EntryKind::Device
    }
}

pub(super) fn modified(status: &Metadata) -> Timestamp {
    Timestamp {
        // A file may bear any date; a message holds those of the years 1 to 9999.
        seconds: status.mtime().clamp(FIRST_SECOND, LAST_SECOND),
        nanos: i32::try_from(status.mtime_nsec()).unwrap_or(0),
        ..Timestamp::default()
    }
}

/// A directory's entries in parts. What goes away meanwhile is left out.
pub(crate) async fn list_directory(
    call: FileCall,
    path: PathBuf,
) -> Result<impl Stream<Item = Result<ListDirectoryResponse, ConnectError>> + Send, ConnectError> {
    let folder = call.run(&path, Listing::open).await?;
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut folder = folder;
        loop {
            let accounts = call.shared.accounts();
            let read = move || {
                let part = folder.next_part(&accounts);
                Ok((folder, part))
            };
            let read = call.act(read).await;
            let part = read.and_then(|(same, part)| part.map(|part| (same, part)));
            let (same, entries) = match part {
                Ok(part) => part,
                Err(error) => return drop(sender.send(Err(fault(&path, &error))).await),
            };
            folder = same;
            if entries.is_empty() || sender.send(Ok(ListDirectoryResponse { entries })).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver_stream(receiver))
}

fn receiver_stream<Item: Send>(receiver: mpsc::Receiver<Item>) -> impl Stream<Item = Item> + Send {
    futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) })
}

/// A directory that is being read.
struct Listing {
    path: PathBuf,
    folder: File,
    entries: Dir,
}

impl Listing {
    fn open(path: &Path) -> io::Result<Self> {
        let folder = open::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Self { path: path.to_owned(), entries: Dir::read_from(&folder)?, folder })
    }

    fn next_part(&mut self, accounts: &Accounts) -> io::Result<Vec<Entry>> {
        let mut part = Vec::new();
        while part.len() < PART {
            let Some(found) = self.entries.next().transpose()? else { break };
            let Some(name) = own_name(&found) else { continue };
            let entry = entry_in(&self.folder, &name);
            match entry.and_then(|entry| of(&self.path.join(&name), &entry, accounts)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                entry => part.push(entry?),
            }
        }
        Ok(part)
    }
}

/// What happens in a directory from now on.
pub(crate) async fn watch_directory(
    call: FileCall,
    path: PathBuf,
    recursive: bool,
    keepalive: Duration,
) -> Result<impl Stream<Item = Result<WatchResponse, ConnectError>> + Send, ConnectError> {
    let wanted = Wanted { recursive, described: false, networks: true };
    let told = watch::start(call, path.clone(), wanted).await?;
    let first = futures::stream::iter([Ok(Event::Watching(Box::new(Watching {})))]);
    let events = first.chain(events(told, path, keepalive));
    Ok(events.map(|event| event.map(|event| WatchResponse { event: Some(event) })))
}

fn events(
    told: mpsc::Receiver<Told>,
    path: PathBuf,
    keepalive: Duration,
) -> impl Stream<Item = Result<Event, ConnectError>> + Send {
    futures::stream::unfold((told, path), move |(mut told, path)| async move {
        let event = match timeout_at(Instant::now() + keepalive, told.recv()).await {
            Err(_) => Ok(Event::KeepAlive(Box::new(KeepAlive {}))),
            Ok(told) => match told? {
                Told::Change(change, _) => Ok(Event::Change(Box::new(wire_change(&change)))),
                Told::Overflow => Ok(Event::Overflow(Box::new(Overflow {}))),
                Told::Broken(error) => Err(fault(&path, &error)),
            },
        };
        Some((event, (told, path)))
    })
}

fn wire_change(change: &Change) -> WireChange {
    let kind = match change.kind {
        ChangeKind::Created => WireKind::Created,
        ChangeKind::Written => WireKind::Written,
        ChangeKind::Removed => WireKind::Removed,
        ChangeKind::MovedAway => WireKind::MovedAway,
        ChangeKind::Attributes => WireKind::Attributes,
    };
    WireChange { path: Bytes::copy_from_slice(change.path.as_os_str().as_bytes()), kind: kind.into() }
}
