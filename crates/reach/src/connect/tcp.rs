//! TCP.

use std::{fmt, io};

use async_trait::async_trait;
use tokio::net::TcpStream;

use super::{ByteStream, Connector};

/// A host, by name or number, and a port: `127.0.0.1:49983`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp(pub String);

impl fmt::Display for Tcp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[async_trait]
impl Connector for Tcp {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        let stream = TcpStream::connect(&self.0).await?;
        // A key that was pressed must not wait for the next one.
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
