//! The standard streams as a way in.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::fs::{FileType, fstat};
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf, join};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use crate::error::AgentError;
use crate::transport::Transport;

/// The standard streams: one client, who holds their other ends.
pub(crate) struct Stdio(Option<Join<Half, Half>>);

/// Either of them: whatever the other end may be, as long as it need not be waited for. Each only ever goes one way.
#[derive(Debug)]
pub enum Half {
    /// A pipe that is read.
    Receiver(pipe::Receiver),
    /// A pipe that is written.
    Sender(pipe::Sender),
    /// A socket.
    Socket(UnixStream),
}

impl Transport for Stdio {
    type Stream = Join<Half, Half>;

    async fn accept(&mut self) -> io::Result<Option<Self::Stream>> {
        Ok(self.0.take())
    }
}

impl Stdio {
    /// Takes the standard input and output over. What is printed from then on goes to the standard error, and who reads
    /// the standard input finds its end.
    pub(crate) fn take() -> Result<Self, AgentError> {
        let failed = |source| AgentError::Listen { address: "the standard streams".to_owned(), source };
        standard_streams().map(|streams| Self(Some(streams))).map_err(failed)
    }
}

/// The standard input and output as one stream, where both are pipes or sockets. What is printed from then on goes to the
/// standard error, and who reads the standard input finds its end.
pub fn standard_streams() -> io::Result<Join<Half, Half>> {
    let input = rustix::stdio::stdin().try_clone_to_owned()?;
    let output = rustix::stdio::stdout().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    let (reads, writes) = (kind(&input)?, kind(&output)?);
    let input = match reads {
        FileType::Fifo => Half::Receiver(pipe::Receiver::from_owned_fd(input)?),
        _ => socket(input)?,
    };
    let output = match writes {
        FileType::Fifo => Half::Sender(pipe::Sender::from_owned_fd(output)?),
        _ => socket(output)?,
    };
    Ok(join(input, output))
}

fn kind(stream: impl AsFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(stream)?.st_mode))
}

fn socket(stream: OwnedFd) -> io::Result<Half> {
    if kind(&stream)? != FileType::Socket {
        let message = "they must be pipes or sockets: some program has to hold their other ends";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let stream = std::os::unix::net::UnixStream::from(stream);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream).map(Half::Socket)
}

fn wrong_way<Output>() -> Poll<io::Result<Output>> {
    Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
}

impl AsyncRead for Half {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Receiver(pipe) => Pin::new(pipe).poll_read(cx, buf),
            Self::Socket(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Sender(_) => wrong_way(),
        }
    }
}

impl AsyncWrite for Half {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Sender(pipe) => Pin::new(pipe).poll_write(cx, buf),
            Self::Socket(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Receiver(_) => wrong_way(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Sender(pipe) => Pin::new(pipe).poll_write_vectored(cx, bufs),
            Self::Socket(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Receiver(_) => wrong_way(),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Sender(pipe) => Pin::new(pipe).poll_flush(cx),
            Self::Socket(socket) => Pin::new(socket).poll_flush(cx),
            Self::Receiver(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Sender(pipe) => Pin::new(pipe).poll_shutdown(cx),
            Self::Socket(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Receiver(_) => Poll::Ready(Ok(())),
        }
    }
}
