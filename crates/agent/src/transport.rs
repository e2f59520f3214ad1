//! The byte streams on which clients come.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd as _, RawFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::Path;

use rustix::fs::Mode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::error::AgentError;

/// Brings clients, one stream each.
pub(crate) trait Transport {
    /// Whether whoever is on the machine can come, so that a page in a browser there can have it called.
    const IS_PUBLIC: bool = false;

    /// What a client is heard and answered on.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next client; `None` when no more can come.
    async fn accept(&mut self) -> io::Result<Option<Self::Stream>>;
}

impl Transport for UnixListener {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<Option<UnixStream>> {
        UnixListener::accept(self).await.map(|(stream, _)| Some(stream))
    }
}

impl Transport for TcpListener {
    const IS_PUBLIC: bool = true;

    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<Option<TcpStream>> {
        let (stream, _) = TcpListener::accept(self).await?;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off delays");
        }
        Ok(Some(stream))
    }
}

/// Takes over a unix socket that is bound and listening already.
pub(crate) fn inherited(descriptor: RawFd) -> Result<UnixListener, AgentError> {
    take_listener(descriptor).map_err(|source| AgentError::Descriptor { descriptor, source })
}

fn take_listener(descriptor: RawFd) -> io::Result<UnixListener> {
    #[allow(unsafe_code, reason = "a number from the options becomes a descriptor")]
    // SAFETY: it is only borrowed to be asked whether it is a listening socket.
    let number = unsafe { BorrowedFd::borrow_raw(descriptor) };
    if !rustix::net::sockopt::socket_acceptconn(number)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not listening"));
    }
    #[allow(unsafe_code, reason = "a number from the options becomes a descriptor")]
    // SAFETY: by `run`'s contract the process's descriptors are the agent's; this one is taken once.
    let listener = unsafe { StdUnixListener::from_raw_fd(descriptor) };
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Binds a unix socket for the owner alone: whoever connects may run commands. One that an earlier agent left is
/// replaced; one that somebody listens on is not.
pub(crate) fn bind_unix(path: &Path) -> Result<StdUnixListener, AgentError> {
    let failed = |source| AgentError::Listen { address: path.display().to_string(), source };
    match path.symlink_metadata() {
        Ok(status) if status.file_type().is_socket() => {
            if StdUnixStream::connect(path).is_ok() {
                return Err(failed(io::ErrorKind::AddrInUse.into()));
            }
            std::fs::remove_file(path).map_err(failed)?;
        }
        Ok(_) => return Err(AgentError::NotASocket { path: path.to_owned() }),
        Err(_) => {}
    }
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = StdUnixListener::bind(path);
    rustix::process::umask(mask);
    bound.map_err(failed)
}

/// Listens at a unix socket.
pub(crate) fn unix(path: &Path) -> Result<UnixListener, AgentError> {
    let listener = bind_unix(path)?;
    let listening = listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
    listening.map_err(|source| AgentError::Listen { address: path.display().to_string(), source })
}

/// Listens at a TCP address.
pub(crate) fn tcp(address: SocketAddr) -> Result<TcpListener, AgentError> {
    let listening = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    listening.map_err(|source| AgentError::Listen { address: address.to_string(), source })
}
