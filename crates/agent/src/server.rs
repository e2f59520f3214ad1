//! HTTP/1.1 and HTTP/2 on whatever the agent listens on.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sandboxer_envd::agent::AgentExt as _;
use sandboxer_envd::connectrpc::{ConnectRpcService, Router};
use sandboxer_envd::filesystem::FilesystemExt as _;
use sandboxer_envd::process::ProcessExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service as _;

use crate::answer::{Body, Refusal, full};
use crate::files::{self, FilesystemService, Source};
use crate::own_service::OwnService;
use crate::process::ProcessService;
use crate::shared::Shared;
use crate::transport::Transport;
use crate::{browser, forward, surroundings};

/// A stream's window: more than a far client's bandwidth times its delay needs, less than memory minds.
const STREAM_WINDOW: u32 = 1 << 20;
/// The connection's window is as good as none: with a small one, a few streams that nobody reads block all others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const FRAME_SIZE: u32 = 1 << 16;
/// What one stream may hold that its client does not take.
const SEND_BUFFER: usize = 256 * 1024;
/// Commands and files at a time, of one client.
const STREAMS: u32 = 4096;
/// How long to wait before accepting again, when there are no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// Serves clients until no more can come and the last is gone; on a listener, for ever.
pub(crate) async fn serve<Way: Transport>(mut transport: Way, shared: Arc<Shared>) {
    let activity = Arc::clone(&shared.activity);
    let routes = Routes::new(shared, Way::IS_PUBLIC);
    loop {
        match transport.accept().await {
            Ok(Some(stream)) => routes.attend(stream),
            Ok(None) => return activity.until_unconnected().await,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                if is_exhausted(&error) {
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS))
}

/// Where requests go.
#[derive(Clone)]
struct Routes {
    shared: Arc<Shared>,
    is_public: bool,
    rpc: ConnectRpcService,
    http: Arc<auto::Builder<TokioExecutor>>,
}

impl Routes {
    fn new(shared: Arc<Shared>, is_public: bool) -> Self {
        let router = Arc::new(ProcessService(Arc::clone(&shared))).register(Router::new());
        let router = Arc::new(FilesystemService(Arc::clone(&shared))).register(router);
        let router = Arc::new(OwnService(Arc::clone(&shared))).register(router);
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http2()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_SIZE)
            .max_send_buf_size(SEND_BUFFER)
            .max_concurrent_streams(STREAMS)
            // A client that gives up many calls at once is no attacker: whoever has the socket has the sandbox.
            .max_pending_accept_reset_streams(STREAMS as usize)
            .max_local_error_reset_streams(None);
        Self { shared, is_public, rpc: ConnectRpcService::new(router), http: Arc::new(http) }
    }

    /// Serves one client on a task of its own.
    fn attend(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let routes = self.clone();
        let connection = self.shared.activity.connection();
        tokio::spawn(async move {
            let _connection = connection;
            let builder = Arc::clone(&routes.http);
            let service = service_fn(move |request| {
                let routes = routes.clone();
                async move { Ok::<_, Infallible>(routes.answer(request).await) }
            });
            if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
                tracing::debug!(error, "a connection broke");
            }
        });
    }

    async fn answer(mut self, request: Request<Incoming>) -> Response<Body> {
        if self.is_public && self.shared.access.is_open() && browser::may_have_sent(&request) {
            Source::new(request.into_body()).drain().await;
            return Refusal::new(StatusCode::FORBIDDEN, browser::REFUSED).into_response();
        }
        // What lets itself be opened by other means than the token.
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/health") => return empty(StatusCode::NO_CONTENT),
            (&Method::POST, "/init") => return surroundings::initialize(&self.shared, request).await,
            (_, path) if path == "/files" || path.starts_with("/files/") => {
                return files::serve(&self.shared, request).await;
            }
            _ => {}
        }
        if let Err(denied) = self.shared.access.permit(request.headers()) {
            Source::new(request.into_body()).drain().await;
            return Refusal::from(denied).into_response();
        }
        match (request.method(), request.uri().path()) {
            (&Method::CONNECT, _) => forward::connect_through(&self.shared, request).await,
            (&Method::GET, "/envs") => surroundings::environment(&self.shared),
            (&Method::GET, "/metrics") => surroundings::measure(&self.shared).await,
            _ => match self.rpc.call(request).await {
                Ok(response) => response.map(|body| body.map_err(io::Error::other).boxed_unsync()),
                Err(never) => match never {},
            },
        }
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(bytes::Bytes::new()));
    *response.status_mut() = status;
    response
}
