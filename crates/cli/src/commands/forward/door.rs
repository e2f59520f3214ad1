//! Where connections come in.

use super::route::{LOOPBACK, Local, Route};
use crate::error::CommandResult;
use crate::ui::Output;
use sandboxer_reach::ByteStream;
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, UnixListener};

/// A place here that is listened on. A unix socket's path goes with it.
pub(super) enum Door {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Door {
    /// Opens it; at the port of what is inside, or at a free one where nobody said which.
    pub(super) async fn open(route: &Route, output: &Output) -> CommandResult<Self> {
        match &route.local {
            Local::Tcp(address) => tcp(address).await.map_err(|error| closed(address, &error).into()),
            Local::Unix(path) => unix(path).map_err(|error| closed(&path.display().to_string(), &error).into()),
            Local::Any(port) => {
                let wanted = format!("{LOOPBACK}:{}", port.unwrap_or(0));
                match tcp(&wanted).await {
                    Err(error) if port.is_some() && is_taken(&error) => {
                        output.note(&format!("`{wanted}` cannot be had ({error}); another port stands in for it"));
                        tcp(&format!("{LOOPBACK}:0")).await.map_err(|error| closed(LOOPBACK, &error).into())
                    }
                    other => other.map_err(|error| closed(&wanted, &error).into()),
                }
            }
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Box<dyn ByteStream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(formatter, "{address}"),
                Err(error) => write!(formatter, "({error})"),
            },
            Self::Unix(_, path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, "a socket's path is gone already");
        }
    }
}

async fn tcp(address: &str) -> io::Result<Door> {
    TcpListener::bind(address).await.map(Door::Tcp)
}

/// For its owner alone.
fn unix(path: &Path) -> io::Result<Door> {
    let door = Door::Unix(UnixListener::bind(path)?, path.to_owned());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(door)
}

/// Taken by somebody else, or by the system for its own.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

fn closed(place: &str, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::AddrInUse => ErrorKind::Conflict,
        io::ErrorKind::PermissionDenied => ErrorKind::Forbidden,
        _ => ErrorKind::InvalidInput,
    };
    Failure::new(kind, format!("cannot listen at `{place}`"))
        .with_residue(Residue::None)
        .caused_by(error)
        .with_hint("name another place before the `:`; port 0 is any free one")
}
