//! `POST /files`: one file as the whole body, or several as a form. Each piece is written as it comes; nothing holds a
//! whole file.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use http::{HeaderMap, header};
use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use super::encoding::{self, Encoding};
use super::metadata::{self, Metadata};
use super::query::Query;
use super::{FileCall, Source, extents, open, operations};
use crate::answer::Refusal;
use crate::paths::text;

/// New files are made so, less the agent's umask, when no mode is asked for.
const NEW_FILE: u32 = 0o666;
/// So many pieces that have come already are written at once.
const TOGETHER: usize = 8;

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Refusal>> + Send>>;

/// A file that was written.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    name: String,
    path: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
}

impl Written {
    pub(super) fn new(path: &Path) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { name, path: text(path), r#type: "file", metadata: Metadata::new() }
    }
}

/// What a request wants of each file in it.
struct Upload<'a> {
    call: &'a FileCall,
    query: &'a Query,
    metadata: Metadata,
}

pub(super) async fn upload(
    call: &FileCall,
    query: &Query,
    headers: &HeaderMap,
    body: Source,
) -> Result<Vec<Written>, Refusal> {
    let upload = Upload { call, query, metadata: metadata::from_headers(headers)? };
    let encoding = encoding::of_content(headers)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let pieces = body.map_err(|error| broken(&error));
    let pieces: Pieces = match encoding {
        Encoding::Identity => Box::pin(pieces),
        Encoding::Gzip => Box::pin(encoding::unpack(call.shared.workers.clone(), pieces)),
    };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "" | "application/octet-stream" => upload.whole(pieces, Sink::Plain).await,
        extents::TYPE => upload.whole(pieces, |file| Sink::Extents(extents::Reader::new(file))).await,
        form if form.starts_with("multipart/") => upload.form(pieces, &kind).await,
        _ => Err(Refusal::bad_request(format!(
            "unsupported content type: {kind}, expected multipart/form-data or application/octet-stream"
        ))),
    }
}

fn broken(error: &hyper::Error) -> Refusal {
    Refusal::bad_request(format!("the upload broke off: {error}"))
}

/// Takes a file's content.
enum Sink {
    Plain(File),
    Extents(extents::Reader),
}

impl Sink {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(piece),
            Self::Extents(reader) => reader.write(piece),
        }
    }

    fn finish(self) -> io::Result<File> {
        match self {
            Self::Plain(file) => Ok(file),
            Self::Extents(reader) => reader.finish(),
        }
    }
}

impl Upload<'_> {
    /// The whole body is one file.
    async fn whole(&self, pieces: Pieces, sink: impl FnOnce(File) -> Sink) -> Result<Vec<Written>, Refusal> {
        let missing = || Refusal::bad_request("path query parameter is required for raw body upload");
        let path = self.call.absolute(self.query.path.as_deref().ok_or_else(missing)?);
        Ok(vec![self.write(path, pieces, sink).await?])
    }

    async fn form(&self, pieces: Pieces, kind: &str) -> Result<Vec<Written>, Refusal> {
        let boundary = multer::parse_boundary(kind).map_err(|error| bad_form(&error))?;
        let heads = HeadLimit::default();
        let mut parts = multer::Multipart::new(with_a_later_end(heads.watch(pieces)), boundary);
        let mut written: Vec<Written> = Vec::new();
        loop {
            heads.begin();
            let part = parts.next_field().await.map_err(|error| bad_form(&error))?;
            heads.end();
            let Some(mut part) = part else { break };
            if part.name() != Some("file") {
                while part.chunk().await.map_err(|error| bad_form(&error))?.is_some() {}
                continue;
            }
            let path = self.query.path.as_deref().or(part.file_name().map(AsRef::as_ref));
            let path = self.call.absolute(path.ok_or_else(|| Refusal::bad_request("a file of the form has no name"))?);
            if written.iter().any(|other| other.path == text(&path)) {
                return Err(twice(&path, &written));
            }
            let pieces = part.map_err(|error| bad_form(&error));
            written.push(self.write(path, pieces, Sink::Plain).await?);
        }
        if written.is_empty() { Err(Refusal::bad_request("the form holds no file")) } else { Ok(written) }
    }

    /// Writes one file, as the user. A file that stands there keeps its identity and, unless told otherwise, its mode.
    async fn write(
        &self,
        path: PathBuf,
        pieces: impl Stream<Item = Result<Bytes, Refusal>>,
        sink: impl FnOnce(File) -> Sink,
    ) -> Result<Written, Refusal> {
        let failed = |error: io::Error| Refusal::io(&path, &error);
        let (wanted, mode) = (path.clone(), self.query.mode);
        let file = self.call.act(move || create(&wanted, mode)).await.map_err(failed)?;
        let mut sink = sink(file);
        let mut pieces = std::pin::pin!(pieces.ready_chunks(TOGETHER));
        while let Some(some) = pieces.next().await {
            let some = some.into_iter().collect::<Result<Vec<Bytes>, Refusal>>()?;
            let written = self.call.act(move || {
                some.iter().try_for_each(|piece| sink.write(piece))?;
                Ok(sink)
            });
            sink = written.await.map_err(failed)?;
        }
        let metadata = self.metadata.clone();
        let finished = self.call.act(move || {
            let file = sink.finish()?;
            metadata::replace(&file, &metadata)?;
            mode.map_or(Ok(()), |mode| file.set_permissions(Permissions::from_mode(mode)))
        });
        finished.await.map_err(failed)?;
        Ok(Written { metadata: self.metadata.clone(), ..Written::new(&path) })
    }
}

/// Multer looks twice for what has come before it says that there is no form. What is unpacked on other threads can come
/// whole between these looks, and multer would then take its end for the end of a form that lacks. So the end is told a
/// look later.
fn with_a_later_end<Item>(pieces: impl Stream<Item = Item>) -> impl Stream<Item = Item> {
    pieces.chain(stream::once(tokio::task::yield_now()).filter_map(|()| future::ready(None)))
}

/// What may come between the contents of a form's parts, in bytes. The parser keeps it all until it is whole.
const LARGEST_HEAD: usize = 256 * 1024;

/// Counts what comes while a part's head is awaited.
#[derive(Debug, Clone, Default)]
struct HeadLimit(Arc<Mutex<Option<usize>>>);

impl HeadLimit {
    fn begin(&self) {
        *self.counted() = Some(0);
    }

    fn end(&self) {
        *self.counted() = None;
    }

    fn counted(&self) -> MutexGuard<'_, Option<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same pieces, with an error where a head is too long.
    fn watch(&self, pieces: Pieces) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let limit = self.clone();
        pieces.map(move |piece| {
            let piece = piece.map_err(io::Error::other)?;
            match &mut *limit.counted() {
                Some(count) if *count > LARGEST_HEAD => Err(io::Error::other("the head of a part is too long")),
                Some(count) => {
                    *count += piece.len();
                    Ok(piece)
                }
                None => Ok(piece),
            }
        })
    }
}

fn bad_form(error: &multer::Error) -> Refusal {
    Refusal::bad_request(format!("the form cannot be read: {error}"))
}

fn twice(path: &Path, written: &[Written]) -> Refusal {
    let others: Vec<&str> = written.iter().map(|other| other.path.as_str()).collect();
    Refusal::bad_request(format!("the form holds `{}` twice; written so far: {}", path.display(), others.join(", ")))
}

/// Opens the file to be written, with the parents that lack. A file that shall be private is so from the start.
fn create(path: &Path, mode: Option<u32>) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE;
    let new = Mode::from_raw_mode(mode.unwrap_or(NEW_FILE) & 0o777 | 0o200);
    let file = match open::open(path, flags, new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            operations::make_parents(path)?;
            open::open(path, flags, new)
        }
        other => other,
    };
    // Emptied only now: what is no regular file must not even be touched.
    let file = open::regular(file?)?;
    file.set_len(0)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_form_that_comes_between_two_looks_is_read() {
        let form = "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ncontent\r\n--B--\r\n";
        let mut looks = 0;
        let pieces = stream::poll_fn(move |cx| {
            looks += 1;
            match looks {
                1 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                2 => Poll::Ready(Some(Ok::<_, io::Error>(Bytes::from_static(form.as_bytes())))),
                _ => Poll::Ready(None),
            }
        });
        let mut parts = multer::Multipart::new(with_a_later_end(pieces), "B");
        assert_eq!(parts.next_field().await.unwrap().unwrap().text().await.unwrap(), "content");
        assert!(parts.next_field().await.unwrap().is_none());
    }
}
