//! The standard streams as a wire, kept away from whatever else would read or write them.

use rustix::fs::{FileType, fstat};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

type Input = Box<dyn AsyncRead + Send + Unpin>;
type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Takes both over. What is printed from then on goes to the standard error, and who reads the standard input, such as
/// a command that the extension runs, finds its end.
pub(super) fn take() -> io::Result<(Input, Output)> {
    let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok((readable(input)?, writable(output)?))
}

/// What can be waited for is; the rest, such as a file of requests, is read by a thread.
fn readable(stream: OwnedFd) -> io::Result<Input> {
    Ok(match kind(&stream)? {
        FileType::Fifo => Box::new(pipe::Receiver::from_owned_fd(stream)?),
        FileType::Socket => Box::new(socket(stream)?),
        _ => Box::new(tokio::fs::File::from_std(stream.into())),
    })
}

fn writable(stream: OwnedFd) -> io::Result<Output> {
    Ok(match kind(&stream)? {
        FileType::Fifo => Box::new(pipe::Sender::from_owned_fd(stream)?),
        FileType::Socket => Box::new(socket(stream)?),
        _ => Box::new(tokio::fs::File::from_std(stream.into())),
    })
}

fn kind(stream: &impl AsFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(stream)?.st_mode))
}

fn socket(stream: OwnedFd) -> io::Result<UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(stream);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}
