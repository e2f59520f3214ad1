//! File contents travel by plain HTTP on the same connection.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use sandboxer_envd::connectrpc::ConnectError;
use sandboxer_envd::connectrpc::client::ClientBody;
use sync_wrapper::SyncStream;

use super::faults::{from_hyper, from_status};
use super::transport::{Transport, empty};
use crate::{Content, ReachError, ReachErrorKind, WriteOptions};

const ADDRESS: &str = "http://agent/files?";
/// Longer explanations of a failure are cut.
const LARGEST_EXPLANATION: usize = 64 * 1024;

pub(super) async fn health(transport: &Transport) -> Result<(), ReachError> {
    let request = build(Method::GET, "http://agent/health".to_owned(), empty())?;
    let response = transport.request(request).await.map_err(from_hyper)?;
    if response.status().is_success() { Ok(()) } else { Err(explain(response).await) }
}

pub(super) async fn read(transport: &Transport, path: &str, user: Option<&str>) -> Result<Content, ReachError> {
    let request = build(Method::GET, address(path, user, None), empty())?;
    let response = transport.request(request).await.map_err(from_hyper)?;
    if !response.status().is_success() {
        return Err(explain(response).await);
    }
    let size = response.headers().get(header::CONTENT_LENGTH);
    let size = size.and_then(|size| size.to_str().ok()).and_then(|size| size.parse().ok());
    let stream = response.into_body().into_data_stream().map_err(from_hyper).boxed();
    Ok(Content { size, stream })
}

pub(super) async fn write(
    transport: &Transport,
    path: &str,
    options: WriteOptions,
    content: BoxStream<'static, std::io::Result<Bytes>>,
    user: Option<&str>,
) -> Result<(), ReachError> {
    let fault: Arc<Mutex<Option<std::io::Error>>> = Arc::default();
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
    let mut request = build(Method::POST, address(path, user, options.mode), body)?;
    request.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/octet-stream"));
    let answer = transport.request(request).await;
    if let Some(error) = fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(ReachError::local("the source of the upload failed", error));
    }
    let response = answer.map_err(from_hyper)?;
    if response.status().is_success() { Ok(()) } else { Err(explain(response).await) }
}

fn address(path: &str, user: Option<&str>, mode: Option<u32>) -> String {
    let mut query = form_urlencoded::Serializer::for_suffix(String::from(ADDRESS), ADDRESS.len());
    query.append_pair("path", path);
    if let Some(user) = user {
        query.append_pair("username", user);
    }
    if let Some(mode) = mode {
        query.append_pair("mode", &format!("{mode:o}"));
    }
    query.finish()
}

fn build(method: Method, address: String, body: ClientBody) -> Result<Request<ClientBody>, ReachError> {
    Request::builder().method(method).uri(address).body(body).map_err(|error| {
        ReachError::new(ReachErrorKind::InvalidInput, "the path cannot be part of a request").with_source(error)
    })
}

async fn explain(response: Response<Incoming>) -> ReachError {
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_EXPLANATION).collect().await;
    from_status(status, &body.map(http_body_util::Collected::to_bytes).unwrap_or_default())
}
