//! One HTTP/2 connection, shared by all calls of a session.

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sandboxer_envd::connectrpc::client::{BoxFuture, ClientBody, ClientTransport};
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream's window: more than the far side's bandwidth times its delay needs, less than memory minds.
const STREAM_WINDOW: u32 = 1 << 20;
/// The connection's window is as good as none: with a small one, a few streams that nobody reads block all others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const FRAME_SIZE: u32 = 1 << 16;
/// So many given-up calls are remembered, to let pass what still comes for them.
const RESET_STREAMS: usize = 256;

/// A handle to the connection; it closes when the last clone is gone.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    sender: SendRequest<ClientBody>,
}

impl Transport {
    /// Shakes hands over `stream` and drives the connection on a task of its own.
    pub(super) async fn over<Stream>(stream: Stream) -> hyper::Result<Self>
    where
        Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
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
            .await?;
        tokio::spawn(async move {
            // Every call on the connection gets the fault too; here it is only for whoever debugs.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the agent ended");
            }
        });
        Ok(Self { sender })
    }

    /// Sends one request.
    pub(super) async fn request(&self, request: Request<ClientBody>) -> hyper::Result<Response<Incoming>> {
        self.sender.clone().send_request(request).await
    }
}

impl ClientTransport for Transport {
    type ResponseBody = Incoming;
    type Error = hyper::Error;

    fn send(&self, request: Request<ClientBody>) -> BoxFuture<'static, Result<Response<Incoming>, hyper::Error>> {
        let mut sender = self.sender.clone();
        Box::pin(async move { sender.send_request(request).await })
    }
}

/// An empty body, for requests that carry none.
pub(super) fn empty() -> ClientBody {
    sandboxer_envd::connectrpc::client::full_body(Bytes::new())
}
