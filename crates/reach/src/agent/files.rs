//! File contents travel by plain HTTP on the same connection.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use sandboxer_envd::connectrpc::ConnectError;
use sandboxer_envd::connectrpc::client::ClientBody;
use sync_wrapper::SyncStream;

use super::extents;
use super::faults::from_status;
use super::transport::{Transport, empty};
use crate::{Content, Events, Extent, ReachError, ReachErrorKind, WriteOptions};

const ADDRESS: &str = "http://localhost/files?";
/// Longer explanations of a failure are cut.
const LARGEST_EXPLANATION: usize = 64 * 1024;

pub(super) async fn health(transport: &Transport) -> Result<(), ReachError> {
    let request = build(Method::GET, "http://localhost/health".to_owned(), empty())?;
    let response = transport.request(request).await?;
    if response.status().is_success() { Ok(()) } else { Err(explain(response, None).await) }
}

pub(super) async fn read(transport: &Transport, path: &Path, user: Option<&str>) -> Result<Content, ReachError> {
    let request = build(Method::GET, address(path, user, None), empty())?;
    let response = get(transport, request, user).await?;
    let size = response.headers().get(header::CONTENT_LENGTH);
    let size = size.and_then(|size| size.to_str().ok()).and_then(|size| size.parse().ok());
    Ok(Content { size, stream: body(transport, response) })
}

/// The same without the holes.
pub(super) async fn read_extents(
    transport: &Transport,
    path: &Path,
    user: Option<&str>,
) -> Result<Events<Extent>, ReachError> {
    let mut request = build(Method::GET, address(path, user, None), empty())?;
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(extents::MEDIA_TYPE));
    let response = get(transport, request, user).await?;
    if response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != extents::MEDIA_TYPE) {
        return Err(ReachError::protocol("the sandbox's agent does not tell holes from zeros"));
    }
    Ok(extents::read(body(transport, response)))
}

async fn get(
    transport: &Transport,
    request: Request<ClientBody>,
    user: Option<&str>,
) -> Result<Response<Incoming>, ReachError> {
    let response = transport.request(request).await?;
    if response.status().is_success() { Ok(response) } else { Err(explain(response, user).await) }
}

fn body(transport: &Transport, response: Response<Incoming>) -> BoxStream<'static, Result<Bytes, ReachError>> {
    let transport = transport.clone();
    response.into_body().into_data_stream().map_err(move |error| transport.broken(error)).boxed()
}

pub(super) async fn write(
    transport: &Transport,
    path: &Path,
    options: WriteOptions,
    content: BoxStream<'static, io::Result<Bytes>>,
    user: Option<&str>,
) -> Result<(), ReachError> {
    send(transport, address(path, user, options.mode), "application/octet-stream", content, user).await
}

/// The same, leaving holes.
pub(super) async fn write_extents(
    transport: &Transport,
    path: &Path,
    options: WriteOptions,
    content: BoxStream<'static, io::Result<Extent>>,
    user: Option<&str>,
) -> Result<(), ReachError> {
    let frames = content.map_ok(|extent| extents::frame(&extent)).boxed();
    send(transport, address(path, user, options.mode), extents::MEDIA_TYPE, frames, user).await
}

async fn send(
    transport: &Transport,
    address: String,
    kind: &'static str,
    content: BoxStream<'static, io::Result<Bytes>>,
    user: Option<&str>,
) -> Result<(), ReachError> {
    let fault: Arc<Mutex<Option<io::Error>>> = Arc::default();
    let keep = Arc::clone(&fault);
    // The connection only learns that the body broke; the reason is kept for the caller.
    let frames = content.map(move |piece| match piece {
        Ok(bytes) => Ok(Frame::data(bytes)),
        Err(error) => {
            keep.lock().unwrap_or_else(PoisonError::into_inner).replace(error);
            Err(ConnectError::canceled("the source of the upload failed"))
        }
    });
    let body = http_body_util::combinators::BoxBody::new(StreamBody::new(SyncStream::new(frames)));
    let mut request = build(Method::POST, address, body)?;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let answer = transport.request(request).await;
    if let Some(error) = fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(ReachError::local("the source of the upload failed", error));
    }
    let response = answer?;
    if response.status().is_success() { Ok(()) } else { Err(explain(response, user).await) }
}

fn address(path: &Path, user: Option<&str>, mode: Option<u32>) -> String {
    let encoded = |bytes| percent_encode(bytes, NON_ALPHANUMERIC);
    let mut address = format!("{ADDRESS}path={}", encoded(path.as_os_str().as_bytes()));
    if let Some(user) = user {
        address.push_str(&format!("&username={}", encoded(user.as_bytes())));
    }
    if let Some(mode) = mode {
        address.push_str(&format!("&mode={mode:o}"));
    }
    address
}

fn build(method: Method, address: String, body: ClientBody) -> Result<Request<ClientBody>, ReachError> {
    Request::builder().method(method).uri(address).body(body).map_err(|error| {
        ReachError::new(ReachErrorKind::InvalidInput, "the path cannot be part of a request").with_source(error)
    })
}

/// What an answer other than success says.
pub(super) async fn explain(response: Response<Incoming>, user: Option<&str>) -> ReachError {
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_EXPLANATION).collect().await;
    from_status(status, &body.map(http_body_util::Collected::to_bytes).unwrap_or_default(), user.is_some())
}
