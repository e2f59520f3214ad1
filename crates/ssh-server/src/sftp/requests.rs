//! What comes on a channel, as packets of sftp.

use bytes::{Bytes, BytesMut};

use crate::input::Input;

/// More is read or written by no request.
pub(super) const LARGEST_DATA: u32 = 255 * 1024;
/// Longer packets come from no client.
pub(super) const LONGEST_PACKET: u32 = 256 * 1024;
const LENGTH: usize = 4;

/// Packets, one after the other.
pub(super) struct Requests {
    input: Input,
    buffer: BytesMut,
}

impl Requests {
    pub(super) fn new(input: Input) -> Self {
        Self { input, buffer: BytesMut::new() }
    }

    /// The next packet, without its length; `None` at the end, also where that is in the middle of a packet or the
    /// client speaks something else.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(length) = self.buffer.first_chunk::<LENGTH>() {
                let length = u32::from_be_bytes(*length);
                if length == 0 || length > LONGEST_PACKET {
                    tracing::debug!(length, "a client of the file server speaks something else");
                    return None;
                }
                let end = LENGTH + length as usize;
                if self.buffer.len() >= end {
                    return Some(self.buffer.split_to(end).split_off(LENGTH).freeze());
                }
            }
            match self.input.next().await {
                Ok(Some(bytes)) => self.buffer.extend_from_slice(&bytes),
                Ok(None) => return None,
                Err(error) => {
                    tracing::debug!(%error, "requests cannot be kept");
                    return None;
                }
            }
        }
    }
}
