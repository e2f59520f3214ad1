//! Our own file server: version 3 of sftp, over what a session can do with files.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use bytes::Bytes;
use sandboxer_reach::{Entry, EntryKind};

use super::open_file::OpenFile;
use super::packet::{self, Attributes, Code, Fault, flags};
use super::requests::{LARGEST_DATA, LONGEST_PACKET, Requests};
use super::tree::Tree;
use crate::channel::{Closed, Incoming, Port};
use crate::place::Place;
use crate::wire::{Put as _, Reader};

const OUR_VERSION: u32 = 3;
const MOST_OPEN: usize = 256;
/// So many names are told at once.
const TOGETHER: usize = 100;
/// What clients of OpenSSH know beyond the version.
const EXTENSIONS: [&str; 4] =
    ["posix-rename@openssh.com", "hardlink@openssh.com", "limits@openssh.com", "expand-path@openssh.com"];

/// What a client has opened.
enum Open {
    Folder(std::vec::IntoIter<Entry>),
    File(Box<OpenFile>),
}

/// One client's server.
struct Server {
    tree: Tree,
    open: HashMap<u32, Open>,
    next: u32,
}

/// Serves files until the client leaves.
pub(super) async fn serve(port: &Port, incoming: Incoming, place: &Place, base: PathBuf) -> Result<(), Closed> {
    let mut requests = Requests::new(incoming.input);
    let mut server = Server { tree: Tree::new(place, base).await, open: HashMap::new(), next: 0 };
    while let Some(request) = next(port, &mut requests).await? {
        let mut answer = vec![0; 4];
        server.answer(&request, &mut answer).await;
        let length = u32::try_from(answer.len() - 4).map_err(|_| Closed)?;
        answer[..4].copy_from_slice(&length.to_be_bytes());
        port.data(&answer.into()).await?;
    }
    port.eof().await?;
    port.exited(0).await
}

async fn next(port: &Port, requests: &mut Requests) -> Result<Option<Bytes>, Closed> {
    tokio::select! {
        next = requests.next() => Ok(next),
        () = port.is_gone() => Err(Closed),
    }
}

impl Server {
    async fn answer(&mut self, request: &Bytes, answer: &mut Vec<u8>) {
        let kind = request[0];
        let mut reader = Reader::new(&request[1..]);
        if kind == packet::INIT {
            answer.put_byte(packet::VERSION).put_number(OUR_VERSION);
            for extension in EXTENSIONS {
                answer.put_string(extension.as_bytes()).put_string(b"1");
            }
            return;
        }
        // A packet too short for its number cannot be answered by it.
        let number = reader.number().unwrap_or_default();
        let begin = answer.len();
        let done = self.act(kind, number, request, reader, answer).await;
        if let Err(Fault { code, words }) = done {
            answer.truncate(begin);
            answer.put_byte(packet::STATUS).put_number(number).put_number(code as u32);
            answer.put_string(words.as_bytes()).put_string(b"");
        } else if answer.len() == begin {
            answer.put_byte(packet::STATUS).put_number(number).put_number(Code::Ok as u32);
            answer.put_string(b"").put_string(b"");
        }
    }

    /// Does what is asked for. An answer that was not written is that it was done.
    async fn act(
        &mut self,
        kind: u8,
        number: u32,
        request: &Bytes,
        mut reader: Reader<'_>,
        answer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match kind {
            packet::OPEN..=packet::WRITE | packet::FSTAT | packet::FSETSTAT | packet::OPENDIR | packet::READDIR => {
                self.on_open(kind, number, request, reader, answer).await
            }
            packet::EXTENDED => self.extended(number, reader, answer).await,
            packet::SYMLINK => {
                // In the order of OpenSSH, not of the draft: what it leads to comes first, as it is written.
                let target = PathBuf::from(OsStr::from_bytes(reader.string()?));
                self.tree.link(&self.tree.at(reader.string()?)?, &target).await
            }
            _ => {
                let path = self.tree.at(reader.string()?)?;
                self.on_path(kind, number, path, reader, answer).await
            }
        }
    }

    async fn on_path(
        &mut self,
        kind: u8,
        number: u32,
        path: PathBuf,
        mut reader: Reader<'_>,
        answer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let tree = &self.tree;
        match kind {
            packet::LSTAT => tell(answer, number, Attributes::of(&tree.entry(&path).await?)),
            packet::STAT => tell(answer, number, Attributes::of(&tree.followed(&path).await?)),
            packet::SETSTAT => {
                let wanted = Attributes::read(&mut reader)?;
                if let Some(size) = wanted.size {
                    let mut file = OpenFile::changing(tree, path.clone(), false).await?;
                    file.set(tree, Attributes { size: Some(size), ..Attributes::default() }).await?;
                    file.close(tree).await?;
                }
                return tree.set(&path, wanted).await;
            }
            packet::REMOVE => return tree.remove_file(&path).await,
            packet::MKDIR => return tree.make_folder(&path, Attributes::read(&mut reader)?.mode).await,
            packet::RMDIR => return tree.remove_folder(&path).await,
            packet::REALPATH => tell_path(answer, number, &tree.real(&path).await?),
            packet::RENAME => return tree.rename(&path, &tree.at(reader.string()?)?, false).await,
            packet::READLINK => {
                let target = tree.entry(&path).await?.target;
                tell_path(answer, number, &target.ok_or_else(|| Fault::new(Code::Failure, "it is no link"))?);
            }
            _ => return Err(Fault::new(Code::Unsupported, "there is no such request")),
        }
        Ok(())
    }

    async fn on_open(
        &mut self,
        kind: u8,
        number: u32,
        request: &Bytes,
        mut reader: Reader<'_>,
        answer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match kind {
            packet::OPEN => {
                let path = self.tree.at(reader.string()?)?;
                let how = reader.number()?;
                let file = open_file(&self.tree, path, how, Attributes::read(&mut reader)?.mode).await?;
                return self.hand_out(Open::File(Box::new(file)), number, answer);
            }
            packet::OPENDIR => {
                let path = self.tree.at(reader.string()?)?;
                let entries = self.tree.list(&path).await?;
                return self.hand_out(Open::Folder(entries.into_iter()), number, answer);
            }
            _ => {}
        }
        let handle = reader.string()?.try_into().map(u32::from_be_bytes).ok();
        let unknown = || Fault::new(Code::Failure, "nothing is open by that name");
        let handle = handle.ok_or_else(unknown)?;
        if kind == packet::CLOSE {
            return match self.open.remove(&handle).ok_or_else(unknown)? {
                Open::File(file) => file.close(&self.tree).await,
                Open::Folder(_) => Ok(()),
            };
        }
        match (kind, self.open.get_mut(&handle).ok_or_else(unknown)?) {
            (packet::READ, Open::File(file)) => {
                let (offset, count) = (reader.long_number()?, reader.number()?.min(LARGEST_DATA));
                let bytes = file.read(&self.tree, offset, count).await?;
                answer.put_byte(packet::DATA).put_number(number).put_string(&bytes);
            }
            (packet::WRITE, Open::File(file)) => {
                let offset = reader.long_number()?;
                return file.write(&self.tree, offset, request.slice_ref(reader.string()?)).await;
            }
            (packet::FSTAT, Open::File(file)) => {
                let mut attributes = Attributes::of(&self.tree.followed(file.path()).await?);
                attributes.size = file.size().await?.or(attributes.size);
                tell(answer, number, attributes);
            }
            (packet::FSETSTAT, Open::File(file)) => {
                return file.set(&self.tree, Attributes::read(&mut reader)?).await;
            }
            (packet::READDIR, Open::Folder(entries)) => tell_entries(answer, number, entries)?,
            _ => return Err(Fault::new(Code::Failure, "that cannot be done with what is open there")),
        }
        Ok(())
    }

    fn hand_out(&mut self, open: Open, number: u32, answer: &mut Vec<u8>) -> Result<(), Fault> {
        if self.open.len() >= MOST_OPEN {
            return Err(Fault::new(Code::Failure, "too many files are open"));
        }
        self.next = self.next.wrapping_add(1);
        self.open.insert(self.next, open);
        answer.put_byte(packet::HANDLE).put_number(number).put_string(&self.next.to_be_bytes());
        Ok(())
    }

    async fn extended(&mut self, number: u32, mut reader: Reader<'_>, answer: &mut Vec<u8>) -> Result<(), Fault> {
        let tree = &self.tree;
        match reader.string()? {
            b"posix-rename@openssh.com" => {
                let (from, to) = (tree.at(reader.string()?)?, tree.at(reader.string()?)?);
                return tree.rename(&from, &to, true).await;
            }
            b"hardlink@openssh.com" => {
                let (existing, path) = (tree.at(reader.string()?)?, tree.at(reader.string()?)?);
                return tree.one_more_name(&path, &existing).await;
            }
            b"expand-path@openssh.com" => tell_path(answer, number, &tree.expanded(reader.string()?).await?),
            b"limits@openssh.com" => {
                answer.put_byte(packet::EXTENDED_REPLY).put_number(number);
                for limit in [LONGEST_PACKET, LARGEST_DATA, LARGEST_DATA] {
                    answer.put_long_number(limit.into());
                }
                answer.put_long_number(MOST_OPEN as u64);
            }
            _ => return Err(Fault::new(Code::Unsupported, "there is no such request")),
        }
        Ok(())
    }
}

async fn open_file(tree: &Tree, path: PathBuf, how: u32, mode: Option<u32>) -> Result<OpenFile, Fault> {
    let has = |flag| how & flag != 0;
    let found = tree.followed_if_any(&path).await?;
    match &found {
        Some(entry) if entry.kind == EntryKind::Directory => {
            return Err(Fault::new(Code::Failure, format!("`{}` is a directory", path.display())));
        }
        Some(_) if has(flags::CREATE) && has(flags::EXCLUSIVE) => {
            return Err(Fault::new(Code::Failure, format!("`{}` exists already", path.display())));
        }
        None if !has(flags::CREATE) => {
            return Err(Fault::new(Code::NoSuchFile, format!("`{}` does not exist", path.display())));
        }
        Some(_) | None => {}
    }
    if !has(flags::WRITE) && found.is_some() {
        return OpenFile::reading(tree, path).await;
    }
    let is_new = found.is_none();
    let is_empty = is_new || has(flags::TRUNCATE) || found.is_some_and(|entry| entry.size == 0);
    if is_new || has(flags::TRUNCATE) {
        tree.make_empty(&path, is_new, mode).await?;
    }
    if !has(flags::WRITE) {
        return OpenFile::reading(tree, path).await;
    }
    if is_empty && !has(flags::READ) {
        return Ok(OpenFile::writing(path, has(flags::APPEND)));
    }
    OpenFile::changing(tree, path, has(flags::APPEND)).await
}

fn tell(answer: &mut Vec<u8>, number: u32, attributes: Attributes) {
    answer.put_byte(packet::ATTRIBUTES).put_number(number);
    attributes.write(answer);
}

fn tell_path(answer: &mut Vec<u8>, number: u32, path: &std::path::Path) {
    answer.put_byte(packet::NAME).put_number(number).put_number(1);
    packet::put_bare_name(answer, path);
}

fn tell_entries(answer: &mut Vec<u8>, number: u32, entries: &mut std::vec::IntoIter<Entry>) -> Result<(), Fault> {
    let some: Vec<Entry> = entries.take(TOGETHER).collect();
    if some.is_empty() {
        return Err(Fault::eof());
    }
    answer.put_byte(packet::NAME).put_number(number);
    answer.put_number(u32::try_from(some.len()).unwrap_or(u32::MAX));
    for entry in &some {
        packet::put_name(answer, entry.name().as_bytes(), entry);
    }
    Ok(())
}
