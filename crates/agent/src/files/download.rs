//! `GET /files`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use super::encoding::{self, Encoding, Packing};
use super::own::modified;
use super::query::Query;
use super::range::{self, Part};
use super::{FileCall, extents, open};
use crate::answer::{Body, Refusal, full};
use crate::workers::Workers;

/// One read; a download holds two of them at most.
const PIECE: usize = 256 * 1024;

pub(super) async fn download(call: &FileCall, query: &Query, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let path = call.absolute(query.path.as_deref().unwrap_or_default());
    let wanted = path.clone();
    let opened = move || {
        let file = open::open_file(&wanted)?;
        let status = file.metadata()?;
        Ok((file, status))
    };
    let opened = call.act(opened).await;
    let (file, status) = opened.map_err(|error| Refusal::io(&path, &error))?;
    let (size, changed) = (status.len(), range::system_time(&modified(&status)));
    let encoding = encoding::wanted(headers)?;
    let reading = Reading::new(file, call.shared.workers.clone());
    let mut response = if accepts_extents(headers) {
        extents_of(reading, size)
    } else {
        // What the kernel makes up has no size, and no part of its own.
        let part = if size > 0 { range::wanted(headers, size, changed) } else { Part::Whole };
        content(reading, size, part, effective(encoding, headers), &path)?
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(changed)) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    Ok(response)
}

fn accepts_extents(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accepted| accepted.as_bytes() == extents::TYPE.as_bytes())
}

/// Parts and conditions speak of the bytes as they are.
fn effective(encoding: Encoding, headers: &HeaderMap) -> Encoding {
    let about_bytes = [header::RANGE, header::IF_MODIFIED_SINCE, header::IF_NONE_MATCH, header::IF_RANGE];
    if about_bytes.iter().any(|name| headers.contains_key(name)) { Encoding::Identity } else { encoding }
}

fn content(
    reading: Reading,
    size: u64,
    part: Part,
    encoding: Encoding,
    path: &Path,
) -> Result<Response<Body>, Refusal> {
    let (status, start, end) = match part {
        Part::Unsatisfiable => {
            let message = format!("`{}` has {size} bytes", path.display());
            let mut response = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, message).into_response();
            insert(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
        Part::Unchanged => return Ok(empty(StatusCode::NOT_MODIFIED)),
        Part::Range { start, end } => (StatusCode::PARTIAL_CONTENT, start, Some(end)),
        Part::Whole => (StatusCode::OK, 0, (size > 0).then_some(size)),
    };
    let mut response = match encoding {
        Encoding::Identity => Response::new(reading.plain(start, end)),
        Encoding::Gzip => Response::new(reading.packed(end)),
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    match (encoding, end) {
        (Encoding::Gzip, _) => drop(headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))),
        (Encoding::Identity, Some(end)) => {
            headers.insert(header::CONTENT_LENGTH, (end - start).into());
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        (Encoding::Identity, None) => {}
    }
    if status == StatusCode::PARTIAL_CONTENT {
        insert(headers, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end.unwrap_or(size) - 1));
    }
    Ok(response)
}

fn extents_of(reading: Reading, size: u64) -> Response<Body> {
    let mut response = Response::new(reading.extents(size));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(extents::TYPE));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Where a file with holes is being read.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// From here on, data is looked for.
    Look(u64),
    /// Here it is sent.
    Data { position: u64, end: u64 },
    /// All was said.
    Over,
}

/// A file on its way out.
struct Reading {
    file: Arc<File>,
    workers: Workers,
}

impl Reading {
    fn new(file: File, workers: Workers) -> Self {
        Self { file: Arc::new(file), workers }
    }

    /// The bytes from `start` on, up to `end` or, where that is unknown, to wherever they end.
    fn plain(self, start: u64, end: Option<u64>) -> Body {
        body(stream::try_unfold((self, start), move |(reading, position)| async move {
            let piece = reading.piece(position, end).await?;
            let next = position + piece.len() as u64;
            Ok((!piece.is_empty()).then(|| (Frame::data(piece), (reading, next))))
        }))
    }

    /// The same from the beginning, packed.
    fn packed(self, end: Option<u64>) -> Body {
        let packing = Some(Packing::new());
        body(stream::try_unfold((self, 0, packing), move |(reading, mut position, packing)| async move {
            let Some(mut packing) = packing else { return Ok(None) };
            loop {
                let piece = reading.piece(position, end).await?;
                if piece.is_empty() {
                    return Ok(Some((Frame::data(packing.finish()?), (reading, position, None))));
                }
                position += piece.len() as u64;
                let packed = reading.workers.run(None, move || {
                    let packed = packing.pack(&piece)?;
                    Ok((packed, packing))
                });
                let (packed, same) = packed.await?;
                packing = same;
                if !packed.is_empty() {
                    return Ok(Some((Frame::data(packed), (reading, position, Some(packing)))));
                }
            }
        }))
    }

    /// Only where data is, in frames.
    fn extents(self, size: u64) -> Body {
        body(stream::try_unfold((self, Place::Look(0)), move |(reading, place)| async move {
            let step = reading.step(place, size).await?;
            Ok(step.map(|(bytes, place)| (Frame::data(bytes), (reading, place))))
        }))
    }

    async fn step(&self, place: Place, size: u64) -> io::Result<Option<(Bytes, Place)>> {
        let head = |offset, length| Bytes::copy_from_slice(&extents::head(offset, length));
        Ok(match place {
            Place::Look(position) => {
                let file = Arc::clone(&self.file);
                let data = self.workers.run(None, move || extents::next_data(&file, position, size)).await?;
                Some(match data {
                    Some((start, end)) => (head(start, end - start), Place::Data { position: start, end }),
                    None => (head(size, 0), Place::Over),
                })
            }
            Place::Data { position, end } => {
                let piece = self.piece(position, Some(end)).await?;
                let position = position + piece.len() as u64;
                let place = if position < end { Place::Data { position, end } } else { Place::Look(end) };
                Some((piece, place))
            }
            Place::Over => None,
        })
    }

    /// The next bytes; none at the end. A file that became shorter than was promised is a fault.
    async fn piece(&self, position: u64, end: Option<u64>) -> io::Result<Bytes> {
        let left = end.map_or(PIECE as u64, |end| end.saturating_sub(position));
        if left == 0 {
            return Ok(Bytes::new());
        }
        let file = Arc::clone(&self.file);
        let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let piece = self.workers.run(None, move || read(&file, position, size)).await?;
        if piece.is_empty() && end.is_some() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        Ok(piece)
    }
}

fn body(frames: impl futures::Stream<Item = io::Result<Frame<Bytes>>> + Send + 'static) -> Body {
    StreamBody::new(frames).boxed_unsync()
}

fn read(file: &File, position: u64, size: usize) -> io::Result<Bytes> {
    let mut piece = vec![0; size];
    let length = file.read_at(&mut piece, position)?;
    piece.truncate(length);
    Ok(piece.into())
}
