//! A file that a client has opened.
//!
//! Sessions read and write files from their beginnings on, and so do nearly all clients: then nothing is kept here. For a
//! client that goes elsewhere in a file that it writes, the file is kept on this machine until it is closed.

use std::io::SeekFrom;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use sandboxer_reach::ReachError;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::copying::Upload;
use super::packet::{Attributes, Code, Fault};
use super::tree::Tree;

const CHUNK: usize = 64 * 1024;

/// How a file is held.
enum Held {
    /// Read from some place on.
    Read { stream: BoxStream<'static, Result<Bytes, ReachError>>, ahead: Bytes, position: u64 },
    /// Written from its beginning on; nothing has come yet when there is no upload.
    Written { upload: Option<Upload>, position: u64 },
    /// Kept here, and changed since when `changed`.
    Kept { file: File, changed: bool },
    /// What was written did not arrive; why not.
    Broken(String),
}

/// An open file.
pub(super) struct OpenFile {
    path: PathBuf,
    held: Held,
    appends: bool,
    /// What it gets once it is written.
    then: Attributes,
}

impl OpenFile {
    /// Opens it for reading alone.
    pub(super) async fn reading(tree: &Tree, path: PathBuf) -> Result<Self, Fault> {
        let stream = tree.read(&path).await?;
        let held = Held::Read { stream, ahead: Bytes::new(), position: 0 };
        Ok(Self { path, held, appends: false, then: Attributes::default() })
    }

    /// Opens one that is empty.
    pub(super) fn writing(path: PathBuf, appends: bool) -> Self {
        let held = Held::Written { upload: None, position: 0 };
        Self { path, held, appends, then: Attributes::default() }
    }

    /// Opens one for changing what it has.
    pub(super) async fn changing(tree: &Tree, path: PathBuf, appends: bool) -> Result<Self, Fault> {
        let held = Held::Kept { file: fetch(tree, &path).await?, changed: false };
        Ok(Self { path, held, appends, then: Attributes::default() })
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The size as its client sees it, where that differs from what the sandbox sees.
    pub(super) async fn size(&mut self) -> Result<Option<u64>, Fault> {
        match &mut self.held {
            Held::Read { .. } => Ok(None),
            Held::Written { position, .. } => Ok(Some(*position)),
            Held::Kept { file, .. } => Ok(Some(file.metadata().await?.len())),
            Held::Broken(words) => Err(broken(words)),
        }
    }

    /// As many bytes from there on, or up to the end.
    pub(super) async fn read(&mut self, tree: &Tree, offset: u64, count: u32) -> Result<Bytes, Fault> {
        if matches!(self.held, Held::Written { .. }) {
            self.keep(tree).await?;
        }
        let bytes = match &mut self.held {
            Held::Read { stream, ahead, position } => {
                if offset < *position {
                    (*stream, *ahead, *position) = (tree.read(&self.path).await?, Bytes::new(), 0);
                }
                read_on(stream, ahead, position, offset, count).await?
            }
            Held::Kept { file, .. } => {
                file.seek(SeekFrom::Start(offset)).await?;
                let mut bytes = Vec::new();
                file.take(count.into()).read_to_end(&mut bytes).await?;
                bytes.into()
            }
            Held::Written { .. } => Bytes::new(),
            Held::Broken(words) => return Err(broken(words)),
        };
        if bytes.is_empty() && count > 0 { Err(Fault::eof()) } else { Ok(bytes) }
    }

    pub(super) async fn write(&mut self, tree: &Tree, offset: u64, bytes: Bytes) -> Result<(), Fault> {
        if let Held::Read { .. } = self.held {
            return Err(Fault::new(Code::Failure, "the file is open for reading alone"));
        }
        if matches!(self.held, Held::Written { position, .. } if position != offset && !self.appends) {
            self.keep(tree).await?;
        }
        match &mut self.held {
            Held::Written { upload, position } => {
                *position += bytes.len() as u64;
                let going = upload.get_or_insert_with(|| tree.upload(&self.path));
                match going.write(bytes).await {
                    Ok(()) => Ok(()),
                    Err(()) => self.break_off().await,
                }
            }
            Held::Broken(words) => Err(broken(words)),
            Held::Kept { file, changed } => {
                file.seek(if self.appends { SeekFrom::End(0) } else { SeekFrom::Start(offset) }).await?;
                file.write_all(&bytes).await?;
                *changed = true;
                Ok(())
            }
            Held::Read { .. } => Ok(()),
        }
    }

    /// Changes what is said of it: its size at once, all else once it is written.
    pub(super) async fn set(&mut self, tree: &Tree, wanted: Attributes) -> Result<(), Fault> {
        if let Held::Read { .. } = &self.held {
            return tree.set(&self.path, wanted).await;
        }
        if let Some(size) = wanted.size
            && self.size().await? != Some(size)
        {
            self.keep(tree).await?;
            if let Held::Kept { file, changed } = &mut self.held {
                file.flush().await?;
                file.set_len(size).await?;
                *changed = true;
            }
        }
        self.then.mode = wanted.mode.or(self.then.mode);
        self.then.times = wanted.times.or(self.then.times);
        if wanted.owner.is_some() { Err(Tree::no_owners()) } else { Ok(()) }
    }

    /// Nothing arrives any more: says why, now and from now on.
    async fn break_off(&mut self) -> Result<(), Fault> {
        let ended = match &mut self.held {
            Held::Written { upload, .. } => upload.take().map(Upload::finish),
            _ => None,
        };
        let Some(ended) = ended else { return Ok(()) };
        let fault = match ended.await {
            Err(error) => Fault::from(error),
            Ok(()) => Fault::new(Code::Failure, "the sandbox takes no more of the file"),
        };
        self.held = Held::Broken(fault.words.clone());
        Err(fault)
    }

    /// Keeps here from now on what was written so far.
    async fn keep(&mut self, tree: &Tree) -> Result<(), Fault> {
        if let Held::Written { upload, .. } = &mut self.held {
            if let Some(upload) = upload.take()
                && let Err(error) = upload.finish().await
            {
                self.held = Held::Broken(error.to_string());
                return Err(error.into());
            }
            self.held = Held::Kept { file: fetch(tree, &self.path).await?, changed: false };
        }
        Ok(())
    }

    /// Everything has arrived once this returns.
    pub(super) async fn close(self, tree: &Tree) -> Result<(), Fault> {
        let is_written = !matches!(self.held, Held::Read { .. });
        match self.held {
            Held::Written { upload: Some(upload), .. } => upload.finish().await?,
            Held::Kept { file, changed: true } => send(tree, &self.path, file).await?,
            Held::Broken(words) => return Err(broken(&words)),
            Held::Written { .. } | Held::Kept { .. } | Held::Read { .. } => {}
        }
        if is_written { tree.set(&self.path, self.then).await } else { Ok(()) }
    }
}

fn broken(words: &str) -> Fault {
    Fault::new(Code::Failure, words)
}

/// Reads a stream on from where it is, up to a place behind that.
async fn read_on(
    stream: &mut BoxStream<'static, Result<Bytes, ReachError>>,
    ahead: &mut Bytes,
    position: &mut u64,
    offset: u64,
    count: u32,
) -> Result<Bytes, Fault> {
    let mut gathered = BytesMut::new();
    loop {
        if ahead.is_empty() {
            match stream.next().await {
                Some(piece) => *ahead = piece?,
                None => return Ok(gathered.freeze()),
            }
        }
        let skipped = usize::try_from(offset.saturating_sub(*position)).unwrap_or(usize::MAX).min(ahead.len());
        drop(ahead.split_to(skipped));
        *position += skipped as u64;
        let piece = ahead.split_to(ahead.len().min(count as usize - gathered.len()));
        *position += piece.len() as u64;
        gathered.extend_from_slice(&piece);
        if gathered.len() == count as usize {
            return Ok(gathered.freeze());
        }
    }
}

/// A copy here, which has no name and so goes with whoever holds it.
async fn fetch(tree: &Tree, path: &std::path::Path) -> Result<File, Fault> {
    let mut file = File::from_std(tempfile::tempfile()?);
    let mut stream = tree.read(path).await?;
    while let Some(piece) = stream.next().await {
        file.write_all(&piece?).await?;
    }
    file.flush().await?;
    Ok(file)
}

async fn send(tree: &Tree, path: &std::path::Path, mut file: File) -> Result<(), Fault> {
    file.flush().await?;
    file.seek(SeekFrom::Start(0)).await?;
    let upload = tree.upload(path);
    loop {
        let mut piece = BytesMut::with_capacity(CHUNK);
        if file.read_buf(&mut piece).await? == 0 || upload.write(piece.freeze()).await.is_err() {
            return Ok(upload.finish().await?);
        }
    }
}
