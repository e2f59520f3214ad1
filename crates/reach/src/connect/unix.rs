//! Unix sockets, whatever the length of their paths.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use async_trait::async_trait;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;

use super::{ByteStream, Connector};

/// `sun_path` holds 108 bytes with its closing zero.
const LONGEST_PATH: usize = 107;

/// A unix socket. A path that does not fit a socket address is reached through its directory's descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket(pub PathBuf);

impl fmt::Display for UnixSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(formatter)
    }
}

#[async_trait]
impl Connector for UnixSocket {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        let (short, _directory) = shorten(&self.0)?;
        let stream = match UnixStream::connect(&short).await {
            // The queue of waiting connections is full. A blocking connect waits for its turn, so that nothing polls.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => connect_blocking(short).await,
            other => other,
        };
        Ok(Box::new(stream?))
    }
}

async fn connect_blocking(path: PathBuf) -> io::Result<UnixStream> {
    let connected = tokio::task::spawn_blocking(move || std::os::unix::net::UnixStream::connect(path));
    let stream = connected.await.map_err(io::Error::other)??;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

fn shorten(path: &Path) -> io::Result<(PathBuf, Option<OwnedFd>)> {
    if path.as_os_str().len() <= LONGEST_PATH {
        return Ok((path.to_owned(), None));
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok((short, Some(directory)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_path_connects() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("x".repeat(150));
        std::fs::create_dir(&folder).unwrap();
        let handle = rustix::fs::open(&folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let bound = format!("/proc/self/fd/{}/agent.sock", handle.as_raw_fd());
        let _listener = std::os::unix::net::UnixListener::bind(bound).unwrap();
        UnixSocket(folder.join("agent.sock")).connect().await.unwrap();
    }
}
