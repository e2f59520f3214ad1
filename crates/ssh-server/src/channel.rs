//! A channel, as whoever serves it has it.

use std::sync::Arc;

use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{ChannelWriteHalf, Disconnect, Sig};
use sandboxer_reach::WindowSize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::input::{Input, Pressure};

/// So many bytes go in one packet at most.
const PACKET: usize = 32 * 1024;
/// The kind of more data that is a standard error.
const STDERR: u32 = 1;

/// What may not wait for a command that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Resize(WindowSize),
    Signal(i32),
}

/// The channel is closed, or the whole connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// What comes on a channel once it is known what runs there.
pub(crate) struct Incoming {
    pub(crate) input: Input,
    pub(crate) acts: mpsc::UnboundedReceiver<Act>,
}

/// What is said on a channel.
pub(crate) struct Port {
    channel: ChannelWriteHalf<Msg>,
    connection: Handle,
    pressure: Arc<Pressure>,
    /// Turned when the client closes the channel or leaves.
    gone: CancellationToken,
}

impl Port {
    pub(crate) fn new(
        channel: ChannelWriteHalf<Msg>,
        connection: Handle,
        pressure: Arc<Pressure>,
        gone: CancellationToken,
    ) -> Self {
        Self { channel, connection, pressure, gone }
    }

    /// Waits until the client closes the channel or leaves.
    pub(crate) async fn is_gone(&self) {
        self.gone.cancelled().await;
    }

    /// Sends bytes as the client takes them.
    pub(crate) async fn data(&self, bytes: &Bytes) -> Result<(), Closed> {
        self.pieces(bytes, None).await
    }

    /// The same for the standard error.
    pub(crate) async fn error_data(&self, bytes: &Bytes) -> Result<(), Closed> {
        self.pieces(bytes, Some(STDERR)).await
    }

    async fn pieces(&self, bytes: &Bytes, kind: Option<u32>) -> Result<(), Closed> {
        tokio::select! {
            biased;
            () = self.gone.cancelled() => Err(Closed),
            sent = self.send(bytes.clone(), kind) => sent,
        }
    }

    async fn send(&self, mut bytes: Bytes, kind: Option<u32>) -> Result<(), Closed> {
        while !bytes.is_empty() {
            let taken = self.channel.writable_packet_size().await;
            let stalled = (taken == 0).then(|| self.pressure.stall());
            let most = if taken == 0 { PACKET } else { taken };
            let piece = bytes.split_to(bytes.len().min(most).min(PACKET));
            let sent = match kind {
                None => self.channel.data_bytes(piece).await,
                Some(kind) => self.channel.extended_data_bytes(kind, piece).await,
            };
            drop(stalled);
            sent.map_err(|_| Closed)?;
        }
        Ok(())
    }

    /// Nothing more is sent.
    pub(crate) async fn eof(&self) -> Result<(), Closed> {
        self.channel.eof().await.map_err(|_| Closed)
    }

    /// How a command exited.
    pub(crate) async fn exited(&self, code: u32) -> Result<(), Closed> {
        self.channel.exit_status(code).await.map_err(|_| Closed)
    }

    /// Which signal ended a command.
    pub(crate) async fn killed(&self, signal: Sig, core_dumped: bool) -> Result<(), Closed> {
        let told =
            self.connection.exit_signal_request(self.channel.id(), signal, core_dumped, String::new(), String::new());
        told.await.map_err(|()| Closed)
    }

    /// The sandbox is gone, and with it the connection.
    pub(crate) async fn lost(&self, words: String) -> Result<(), Closed> {
        let told = self.connection.disconnect(Disconnect::ByApplication, words, String::new());
        told.await.map_err(|_| Closed)
    }

    /// Ends the channel.
    pub(crate) async fn end(self) {
        if self.channel.close().await.is_err() {
            tracing::trace!("a channel ended after its connection");
        }
    }
}
