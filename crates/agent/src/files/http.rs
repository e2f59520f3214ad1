//! `/files`: contents of files by plain HTTP, as envd has it.

use std::convert::Infallible;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use serde::Serialize;

use super::query::Query;
use super::{FileCall, Source, compose, download, upload};
use crate::access::{Denied, Signed};
use crate::clock;
use crate::shared::{Shared, UserFault};

/// A body of any kind. A download that fails midway breaks off, so that nobody takes half a file for a whole one.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A request that is not served, as `{"code":404,"message":"…"}`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A file operation's fault.
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let status = match error.kind() {
            io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StatusCode::FORBIDDEN,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
            io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename => StatusCode::BAD_REQUEST,
            _ if error.raw_os_error() == Some(libc::ELOOP) => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, format!("`{}`: {error}", path.display()))
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        #[derive(Serialize)]
        struct Answer {
            code: u16,
            message: String,
        }
        json(self.status, &Answer { code: self.status.as_u16(), message: self.message })
    }
}

impl From<UserFault> for Refusal {
    fn from(fault: UserFault) -> Self {
        let status = match &fault {
            UserFault::Unknown(_) => StatusCode::UNAUTHORIZED,
            UserFault::OutOfReach(_) => StatusCode::FORBIDDEN,
        };
        Self::new(status, fault.to_string())
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, denied.to_string())
    }
}

/// Answers one request for `/files`, or for what is below it.
pub(crate) async fn serve(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = Source::new(body);
    let answered = match head.uri.path() {
        "/files" => content(shared, &head, body.clone()).await,
        "/files/compose" => compose::compose(shared, &head, body.clone()).await,
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "there is nothing of that name")),
    };
    match answered {
        Ok(response) => response,
        Err(refusal) => {
            body.drain().await;
            refusal.into_response()
        }
    }
}

async fn content(shared: &Arc<Shared>, head: &Parts, body: Source) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(head.uri.query())?;
    match head.method {
        Method::GET => {
            permit(shared, &head.headers, &query, "read")?;
            let call = FileCall::of(shared, query.username.as_deref())?;
            download::download(&call, &query, &head.headers).await
        }
        Method::POST => {
            permit(shared, &head.headers, &query, "write")?;
            let call = FileCall::of(shared, query.username.as_deref())?;
            let written = upload::upload(&call, &query, &head.headers, body).await?;
            Ok(json(StatusCode::OK, &written))
        }
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "files are read by GET and written by POST")),
    }
}

fn permit(shared: &Shared, headers: &HeaderMap, query: &Query, operation: &str) -> Result<(), Refusal> {
    let signed = Signed {
        path: query.path.as_deref().map(OsStrExt::as_bytes).unwrap_or_default(),
        operation,
        user: query.username.as_deref().unwrap_or_default(),
        signature: query.signature.as_deref(),
        expiration: query.expiration,
    };
    Ok(shared.access.permit_file(headers, &signed, clock::now().seconds)?)
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Plain structures of strings and numbers always become JSON.
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(full(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// A body that is known already.
pub(crate) fn full(bytes: Bytes) -> Body {
    http_body_util::Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}
