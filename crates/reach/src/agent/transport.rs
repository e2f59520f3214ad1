//! One HTTP/2 connection, shared by all calls of a session.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sandboxer_envd::connectrpc::ConnectError;
use sandboxer_envd::connectrpc::client::{BoxFuture, CallOptions, ClientBody, ClientTransport};

use super::faults::{from_connect, from_hyper};
use super::watched::{StreamFault, Watched};
use crate::{ByteStream, ReachError, ReachErrorKind, SessionOptions};

/// A stream's window: more than the far side's bandwidth times its delay needs, less than memory minds.
const STREAM_WINDOW: u32 = 1 << 20;
/// The connection's window is as good as none: with a small one, a few streams that nobody reads block all others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const FRAME_SIZE: u32 = 1 << 16;
/// So many given-up calls are remembered, to let pass what still comes for them.
const RESET_STREAMS: usize = 256;

const TOKEN: HeaderName = HeaderName::from_static("x-access-token");
const LEASE: HeaderName = HeaderName::from_static("sandboxer-lease");

/// A handle to the connection; it closes when the last clone is gone.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    sender: SendRequest<ClientBody>,
    /// Stand in every request.
    headers: HeaderMap,
    fault: StreamFault,
}

impl Transport {
    /// Shakes hands over `stream` and drives the connection on a task of its own.
    pub(super) async fn over(stream: Box<dyn ByteStream>, options: &SessionOptions) -> Result<Self, ReachError> {
        let headers = headers(options).map_err(|error| {
            let message = "the token or the lease cannot be part of a request";
            ReachError::new(ReachErrorKind::InvalidInput, message).with_source(error)
        })?;
        let fault = StreamFault::default();
        let stream = Watched::new(stream, fault.clone());
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_SIZE)
            .initial_max_send_streams(4096)
            // Giving up a call resets its stream, and what the agent had sent until then counts as its error: by
            // default, the thousandth such error ends the connection.
            .max_local_error_reset_streams(None)
            .max_concurrent_reset_streams(RESET_STREAMS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| fault.explain(from_hyper(error)))?;
        tokio::spawn(async move {
            // Every call on the connection gets the fault too; here it is only for whoever debugs.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the agent ended");
            }
        });
        Ok(Self { sender, headers, fault })
    }

    /// Sends one request.
    pub(super) async fn request(&self, request: Request<ClientBody>) -> Result<Response<Incoming>, ReachError> {
        self.send(request).await.map_err(|error| self.broken(error))
    }

    /// The fault of a connection that broke in the middle of a request.
    pub(super) fn broken(&self, error: hyper::Error) -> ReachError {
        self.fault.explain(from_hyper(error))
    }

    /// The fault of a call.
    pub(super) fn failed(&self, error: ConnectError) -> ReachError {
        self.fault.explain(from_connect(error))
    }
}

impl ClientTransport for Transport {
    type ResponseBody = Incoming;
    type Error = hyper::Error;

    fn send(&self, mut request: Request<ClientBody>) -> BoxFuture<'static, Result<Response<Incoming>, hyper::Error>> {
        let mut sender = self.sender.clone();
        request.headers_mut().extend(self.headers.clone());
        Box::pin(async move { sender.send_request(request).await })
    }
}

fn headers(options: &SessionOptions) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    if let Some(token) = &options.token {
        let mut value = HeaderValue::from_str(token.reveal())?;
        value.set_sensitive(true);
        headers.insert(TOKEN, value);
    }
    if let Some(lease) = &options.lease {
        headers.insert(LEASE, HeaderValue::from_str(lease)?);
    }
    Ok(headers)
}

/// An empty body, for requests that carry none.
pub(super) fn empty() -> ClientBody {
    sandboxer_envd::connectrpc::client::full_body(Bytes::new())
}

/// The value of the header that names the user: HTTP basic authentication without a password, as in envd.
pub(super) fn authorization(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:")))
}

/// The options of a call as that user.
pub(super) fn as_user(user: Option<&str>) -> CallOptions {
    let options = CallOptions::default();
    match user {
        Some(user) => options.with_header("authorization", authorization(user)),
        None => options,
    }
}

/// The same for a command that waits for so long when the connection breaks.
pub(super) fn lingering(options: CallOptions, linger: Option<Duration>) -> CallOptions {
    match linger.map(|span| span.as_millis()).filter(|milliseconds| *milliseconds > 0) {
        Some(milliseconds) => options.with_header("sandboxer-linger", milliseconds.to_string()),
        None => options,
    }
}
