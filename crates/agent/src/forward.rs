//! Ways through the agent to what listens inside: HTTP CONNECT to a TCP port or a unix socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::activity::Connection;
use crate::answer::{Body, Refusal, full};
use crate::auth;
use crate::identity::Identity;
use crate::paths::{absolute, from_bytes};
use crate::shared::Shared;
use crate::workers::Workers;

/// Names a unix socket; then the port of the request's target is 0.
const SOCKET: &str = "sandboxer-socket";
/// What is read at once, each way.
const BUFFER: usize = 64 * 1024;

/// Answers one CONNECT.
pub(crate) async fn connect_through(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    forward(shared, request).await.unwrap_or_else(Refusal::into_response)
}

async fn forward(shared: &Arc<Shared>, mut request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let upgrade = hyper::upgrade::on(&mut request);
    match request.headers().get(SOCKET) {
        Some(path) => {
            let user = shared.user(auth::user_of(request.headers()).as_deref())?;
            let path: Vec<u8> = percent_decode(path.as_bytes()).collect();
            let path = absolute(from_bytes(&path), &user.home);
            let inside = connect_socket(&shared.workers, shared.identity(&user), path).await?;
            join(shared.activity.connection(), upgrade, inside);
        }
        None => {
            let inside = connect_port(port(&request)?).await?;
            join(shared.activity.connection(), upgrade, inside);
        }
    }
    Ok(Response::new(full(Bytes::new())))
}

/// Only what is inside can be reached: the agent is no way out into a network.
fn port(request: &Request<Incoming>) -> Result<u16, Refusal> {
    let target = request.uri().authority();
    let host = target.map(http::uri::Authority::host).unwrap_or_default();
    if !matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
        return Err(Refusal::new(StatusCode::FORBIDDEN, format!("`{host}` is not `localhost`")));
    }
    let port = target.and_then(http::uri::Authority::port_u16).filter(|port| *port != 0);
    port.ok_or_else(|| Refusal::bad_request("the target names no port"))
}

async fn connect_port(port: u16) -> Result<TcpStream, Refusal> {
    let connected = match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
        // Some programs listen on IPv6 only.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.map_err(|_| error)
        }
        other => other,
    };
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Refusal::new(StatusCode::BAD_GATEWAY, format!("port {port} is not open")),
        _ => Refusal::new(StatusCode::BAD_GATEWAY, format!("cannot connect to port {port}: {error}")),
    };
    let stream = connected.map_err(refused)?;
    stream.set_nodelay(true).map_err(|error| Refusal::new(StatusCode::BAD_GATEWAY, error.to_string()))?;
    Ok(stream)
}

/// With the rights of the user, as any file, and as that user to the listener, who may ask.
async fn connect_socket(workers: &Workers, identity: Option<Identity>, path: PathBuf) -> Result<UnixStream, Refusal> {
    let wanted = path.clone();
    let work = move || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // A listener whose queue is full answers `WouldBlock` instead of holding the worker.
        connect(&socket, &SocketAddrUnix::new(&wanted)?)?;
        Ok(std::os::unix::net::UnixStream::from(socket))
    };
    let connected = workers.run_fully(identity, work).await;
    connected.and_then(UnixStream::from_std).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock => {
            Refusal::new(StatusCode::BAD_GATEWAY, format!("nobody answers at `{}`: {error}", path.display()))
        }
        _ => Refusal::io(&path, &error),
    })
}

/// Passes bytes both ways, each to its own end, on a task of its own. It is activity of its own too: what the client's
/// connection was taken over from ends at once.
fn join(connection: Connection, upgrade: OnUpgrade, inside: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    tokio::spawn(async move {
        let _connection = connection;
        let mut inside = inside;
        let outside = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "a connection was not taken over"),
        };
        let mut outside = TokioIo::new(outside);
        let passed = tokio::io::copy_bidirectional_with_sizes(&mut outside, &mut inside, BUFFER, BUFFER).await;
        if let Err(error) = passed {
            tracing::debug!(%error, "a forwarded connection broke");
        }
    });
}
