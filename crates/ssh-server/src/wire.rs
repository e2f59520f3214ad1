//! How values are written in packets of sftp: big-endian numbers, and strings behind their lengths.

/// A packet that does not hold what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet is malformed")]
pub(crate) struct Malformed;

/// Reads a packet from its beginning to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn number(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?.try_into().map_err(|_| Malformed)?;
        Ok(u32::from_be_bytes(bytes))
    }

    pub(crate) fn long_number(&mut self) -> Result<u64, Malformed> {
        let bytes = self.take(8)?.try_into().map_err(|_| Malformed)?;
        Ok(u64::from_be_bytes(bytes))
    }

    pub(crate) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| Malformed)?)
    }
}

/// Writes a packet.
pub(crate) trait Put {
    fn put_byte(&mut self, byte: u8) -> &mut Self;
    fn put_bytes(&mut self, bytes: &[u8]) -> &mut Self;

    fn put_number(&mut self, number: u32) -> &mut Self {
        self.put_bytes(&number.to_be_bytes())
    }

    fn put_long_number(&mut self, number: u64) -> &mut Self {
        self.put_bytes(&number.to_be_bytes())
    }

    /// No string of ours is as long as 4 GiB.
    fn put_string(&mut self, bytes: &[u8]) -> &mut Self {
        self.put_number(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).put_bytes(bytes)
    }
}

impl Put for Vec<u8> {
    fn put_byte(&mut self, byte: u8) -> &mut Self {
        self.push(byte);
        self
    }

    fn put_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut packet = Vec::new();
        packet.put_number(1 << 20).put_long_number(1 << 40).put_string(b"ab");
        let mut reader = Reader::new(&packet);
        assert_eq!((reader.number(), reader.long_number()), (Ok(1 << 20), Ok(1 << 40)));
        assert_eq!((reader.string(), reader.number()), (Ok(&b"ab"[..]), Err(Malformed)));
    }

    #[test]
    fn a_length_that_lies_is_malformed() {
        for packet in [&[0, 0, 0, 3, 1][..], &[255, 255, 255, 255], &[0, 0], &[]] {
            assert_eq!(Reader::new(packet).string(), Err(Malformed), "{packet:?}");
        }
    }
}
