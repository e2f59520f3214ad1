//! `GET /files`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use super::http::{Body, Refusal};
use super::query::Query;
use super::{FileCall, open};
use crate::workers::Workers;

/// One read; a download holds two of them at most.
const PIECE: usize = 256 * 1024;

/// A file on its way out.
struct Reading {
    file: Arc<File>,
    workers: Workers,
    position: u64,
    /// What was promised to be sent; unknown for files that the kernel makes up, which have no size.
    length: Option<u64>,
}

pub(super) async fn download(call: &FileCall, query: &Query) -> Result<Response<Body>, Refusal> {
    let path = call.absolute(query.path.as_deref().unwrap_or_default());
    let wanted = path.clone();
    let opened = move || {
        let file = open::open_file(wanted.as_ref())?;
        let length = file.metadata()?.len();
        Ok((file, length))
    };
    let opened = call.shared.workers.run(call.identity.clone(), opened).await;
    let (file, length) = opened.map_err(|error| Refusal::io(&path, &error))?;
    let length = (length > 0).then_some(length);
    let reading = Reading { file: Arc::new(file), workers: call.shared.workers.clone(), position: 0, length };
    let body = StreamBody::new(stream::try_unfold(reading, Reading::next)).boxed_unsync();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(response)
}

impl Reading {
    async fn next(mut self) -> io::Result<Option<(Frame<Bytes>, Self)>> {
        let left = self.length.map_or(PIECE as u64, |length| length - self.position);
        if left == 0 {
            return Ok(None);
        }
        let (file, position) = (Arc::clone(&self.file), self.position);
        let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let piece = self.workers.run(None, move || read(&file, position, size)).await?;
        match (piece.is_empty(), self.length) {
            (true, None) => Ok(None),
            (true, Some(_)) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter")),
            (false, _) => {
                self.position += piece.len() as u64;
                Ok(Some((Frame::data(piece), self)))
            }
        }
    }
}

fn read(file: &File, position: u64, size: usize) -> io::Result<Bytes> {
    let mut piece = vec![0; size];
    let length = file.read_at(&mut piece, position)?;
    piece.truncate(length);
    Ok(piece.into())
}
