//! The supervisor's socket: how another process ends a sandbox or moves its lease.
//!
//! A request is nine bytes: what to do, and a number. To wait for the sandbox's end is to wait for the connection's end,
//! so nobody needs the supervisor's process id to talk to it, and a reused id is never a danger.

use super::folder::{CONTROL, Folder};
use super::process::ProcessName;
use sandboxer_types::CleanupReport;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

const LENGTH: usize = 9;
const END: u8 = b'E';
const LEASE: u8 = b'L';
const DONE: u8 = b'K';

/// What somebody asks of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// End the sandbox, remove it and report.
    End,
    /// Let it live until then, in nanoseconds after boot.
    Lease(u64),
}

impl Request {
    fn encode(self) -> [u8; LENGTH] {
        let (code, number) = match self {
            Self::End => (END, 0),
            Self::Lease(deadline) => (LEASE, deadline),
        };
        let mut message = [code; LENGTH];
        message[1..].copy_from_slice(&number.to_le_bytes());
        message
    }

    fn decode(message: [u8; LENGTH]) -> Option<Self> {
        let mut number = [0; LENGTH - 1];
        number.copy_from_slice(&message[1..]);
        match message[0] {
            END => Some(Self::End),
            LEASE => Some(Self::Lease(u64::from_le_bytes(number))),
            _ => None,
        }
    }
}

/// The supervisor's last words.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// What it removed.
    pub(crate) report: CleanupReport,
    /// The supervisor, which is about to end.
    pub(crate) process: ProcessName,
}

/// The supervisor's side of one connection.
#[derive(Debug)]
pub(crate) struct Requester {
    stream: UnixStream,
    message: [u8; LENGTH],
    filled: usize,
}

/// What a connection has to say.
pub(crate) enum Said {
    /// Nothing more for now.
    Nothing,
    /// This.
    Request(Request),
    /// It is gone, or makes no sense.
    Gone,
}

impl Requester {
    /// Takes the next connection of a listener that does not block.
    pub(crate) fn accept(listener: &UnixListener) -> io::Result<Option<Self>> {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                Ok(Some(Self { stream, message: [0; LENGTH], filled: 0 }))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads what is there.
    pub(crate) fn hear(&mut self) -> Said {
        match self.stream.read(&mut self.message[self.filled..]) {
            Ok(0) => Said::Gone,
            Ok(count) => {
                self.filled += count;
                if self.filled < LENGTH {
                    return Said::Nothing;
                }
                self.filled = 0;
                Request::decode(self.message).map_or(Said::Gone, Said::Request)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Said::Nothing,
            Err(_) => Said::Gone,
        }
    }

    /// Says that the lease was moved. A requester that is gone does not need to know.
    pub(crate) fn confirm(&mut self) {
        if let Err(error) = self.stream.write_all(&[DONE]) {
            tracing::debug!(%error, "the requester no longer listens");
        }
    }

    /// Says what was removed.
    pub(crate) fn report(&mut self, ended: &Ended) -> io::Result<()> {
        self.stream.write_all(&serde_json::to_vec(ended)?)
    }
}

impl rustix::fd::AsFd for Requester {
    fn as_fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Connects to the supervisor. `None` when nobody listens.
async fn connect(folder: &Folder) -> io::Result<Option<tokio::net::UnixStream>> {
    match tokio::net::UnixStream::connect(folder.short_path(CONTROL)).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.kind() == io::ErrorKind::NotFound || is_end(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the other side is gone. The kernel may tell so at any point, a connection that was waiting included.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset)
}

/// Asks the supervisor to end the sandbox, and waits until the supervisor has let go of the connection. `None` when
/// nobody listens, or when whoever listened ended without a report.
pub(crate) async fn ask_to_end(folder: &Folder) -> io::Result<Option<Ended>> {
    let Some(answer) = ask(folder, Request::End).await? else { return Ok(None) };
    Ok(serde_json::from_slice(&answer).ok())
}

/// Asks the supervisor to move the lease. Tells whether it did.
pub(crate) async fn ask_to_live_until(folder: &Folder, deadline: u64) -> io::Result<bool> {
    Ok(ask(folder, Request::Lease(deadline)).await?.is_some_and(|answer| answer == [DONE]))
}

async fn ask(folder: &Folder, request: Request) -> io::Result<Option<Vec<u8>>> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Some(mut stream) = connect(folder).await? else { return Ok(None) };
    let mut answer = Vec::new();
    let talk = async {
        stream.write_all(&request.encode()).await?;
        stream.read_to_end(&mut answer).await
    };
    match talk.await {
        Ok(_) => Ok(Some(answer)),
        // Whoever listened is gone, and never heard it.
        Err(error) if is_end(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_wire() {
        for request in [Request::End, Request::Lease(u64::MAX), Request::Lease(0)] {
            assert_eq!(Request::decode(request.encode()), Some(request));
        }
        assert_eq!(Request::decode([b'?'; LENGTH]), None);
    }
}
