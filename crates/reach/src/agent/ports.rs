//! Connections to what listens inside, by HTTP CONNECT on the session's own connection.

use std::os::unix::ffi::OsStrExt as _;

use http::{HeaderValue, Method, Request, Uri, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use super::files::explain;
use super::transport::{Transport, authorization, empty};
use crate::{ByteStream, ReachError, ReachErrorKind, Target};

/// Names the socket, where the target is one.
const SOCKET: &str = "sandboxer-socket";

pub(super) async fn connect(
    transport: &Transport,
    target: &Target,
    user: Option<&str>,
) -> Result<Box<dyn ByteStream>, ReachError> {
    let port = match target {
        Target::Port(port) => *port,
        Target::Socket(_) => 0,
    };
    let mut request = Request::new(empty());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = Uri::builder().authority(format!("localhost:{port}")).build().map_err(not_sendable)?;
    if let Target::Socket(path) = target {
        let path = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC).to_string();
        request.headers_mut().insert(SOCKET, HeaderValue::from_str(&path).map_err(not_sendable)?);
    }
    if let Some(user) = user {
        let value = HeaderValue::from_str(&authorization(user)).map_err(not_sendable)?;
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let response = transport.request(request).await?;
    if !response.status().is_success() {
        return Err(explain(response, user).await);
    }
    let stream = hyper::upgrade::on(response).await.map_err(|error| transport.broken(error))?;
    Ok(Box::new(TokioIo::new(stream)))
}

fn not_sendable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ReachError {
    ReachError::new(ReachErrorKind::InvalidInput, "the target cannot be part of a request").with_source(error)
}
