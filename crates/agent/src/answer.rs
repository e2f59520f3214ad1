//! Answers in plain HTTP.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use serde::Serialize;

use crate::access::Denied;
use crate::shared::UserFault;

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

/// An answer in JSON.
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
