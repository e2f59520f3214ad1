//! How to get a stream of bytes to an agent.

mod here;
mod process;
mod ssh;
mod tcp;
mod unix;

use std::{fmt, io};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use here::Here;
pub(crate) use process::Joined;
pub use process::ProcessStream;
pub use ssh::Ssh;
pub use tcp::Tcp;
pub use unix::UnixSocket;

/// A stream of bytes in both directions, each of which can be shut down for itself.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<Stream: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for Stream {}

/// A place where an agent can be reached. Its `Display` names that place for people.
#[async_trait]
pub trait Connector: Send + Sync + fmt::Debug + fmt::Display {
    /// A new connection.
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>>;
}
