//! Connecting to a unix socket, whatever the length of its path.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;

/// `sun_path` holds 108 bytes with its closing zero.
const LONGEST_PATH: usize = 107;

/// Connects; a path that does not fit a socket address is reached through its directory's descriptor.
pub(super) async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let (short, _directory) = shorten(path)?;
    match UnixStream::connect(&short).await {
        // The queue of waiting connections is full. A blocking connect waits for its turn, so that nothing polls.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => connect_blocking(short).await,
        other => other,
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
        connect_unix(&folder.join("agent.sock")).await.unwrap();
    }
}
