//! `/files`: contents of files by plain HTTP, as envd has it.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use serde::Serialize;

use super::query::Query;
use super::{FileCall, download, upload};
use crate::shared::{Shared, UserFault};

/// A body of any kind. A download that fails midway breaks off, so that nobody takes half a file for a whole one.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A request that is not served, as `{"code":404,"message":"…"}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// A file operation's fault.
    pub(super) fn io(path: &str, error: &io::Error) -> Self {
        let status = match error.kind() {
            io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StatusCode::FORBIDDEN,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
            io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename => StatusCode::BAD_REQUEST,
            _ if error.raw_os_error() == Some(libc::ELOOP) => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, message: format!("`{path}`: {error}") }
    }

    fn into_response(self) -> Response<Body> {
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
        Self { status, message: fault.to_string() }
    }
}

/// Answers one request for `/files`.
pub(crate) async fn serve(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    answer(shared, request).await.unwrap_or_else(Refusal::into_response)
}

async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query())?;
    let call = FileCall::of(shared, query.username.as_deref())?;
    match *request.method() {
        Method::GET => download::download(&call, &query).await,
        Method::POST => {
            let written = upload::upload(&call, &query, request).await?;
            Ok(json(StatusCode::OK, &written))
        }
        _ => Err(Refusal {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: "files are read by GET and written by POST".to_owned(),
        }),
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
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
