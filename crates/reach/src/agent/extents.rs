//! Files with holes on the wire: `[offset][length][bytes]` for each run of data, both numbers of 64 bits with their
//! highest byte first; the last frame has no bytes, and its offset is the file's size.

use std::collections::VecDeque;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryStreamExt as _};

use crate::{Events, Extent, ReachError};

/// The media type of such a body.
pub(super) const MEDIA_TYPE: &str = "application/vnd.sandboxer.extents";
const HEAD: usize = 16;
/// No file is longer.
const LONGEST: u64 = i64::MAX as u64;

/// Writes one piece as a frame of its own.
pub(super) fn frame(extent: &Extent) -> Bytes {
    let (offset, bytes) = match extent {
        // A frame without bytes would be the last.
        Extent::Data { bytes, .. } if bytes.is_empty() => return Bytes::new(),
        Extent::Data { offset, bytes } => (*offset, &bytes[..]),
        Extent::End { size } => (*size, &[][..]),
    };
    let mut frame = BytesMut::with_capacity(HEAD + bytes.len());
    frame.put_u64(offset);
    frame.put_u64(bytes.len() as u64);
    frame.put_slice(bytes);
    frame.freeze()
}

/// Reads frames as their bytes come, in pieces of any length.
#[derive(Debug, Default)]
struct Reader {
    head: BytesMut,
    /// The run under way: the offset of its next byte, and how many are still to come.
    run: Option<(u64, u64)>,
    /// Where data may go on.
    least: u64,
    ended: bool,
}

impl Reader {
    fn take(&mut self, mut bytes: Bytes) -> Result<VecDeque<Extent>, ReachError> {
        let mut extents = VecDeque::new();
        while !bytes.is_empty() {
            if let Some((offset, left)) = self.run {
                let length = left.min(bytes.len() as u64);
                // No longer than what is here.
                let data = bytes.split_to(length as usize);
                extents.push_back(Extent::Data { offset, bytes: data });
                self.run = (left > length).then_some((offset + length, left - length));
                continue;
            }
            if self.ended {
                return Err(ReachError::protocol("data came behind the end of a file"));
            }
            let wanted = (HEAD - self.head.len()).min(bytes.len());
            self.head.put(bytes.split_to(wanted));
            if self.head.len() == HEAD {
                extents.extend(self.begin_run()?);
            }
        }
        Ok(extents)
    }

    /// Takes the head of a frame; of the last one, gives the end.
    fn begin_run(&mut self) -> Result<Option<Extent>, ReachError> {
        let (offset, length) = (self.head.get_u64(), self.head.get_u64());
        self.head.clear();
        let end = offset.checked_add(length).filter(|end| *end <= LONGEST && offset >= self.least);
        let end = end.ok_or_else(|| ReachError::protocol("the parts of a file are in no order"))?;
        if length == 0 {
            self.ended = true;
            return Ok(Some(Extent::End { size: offset }));
        }
        self.run = Some((offset, length));
        self.least = end;
        Ok(None)
    }
}

struct Reading<Body> {
    body: Body,
    reader: Reader,
    read: VecDeque<Extent>,
}

/// The parts of a file, from a body of frames.
pub(super) fn read(body: BoxStream<'static, Result<Bytes, ReachError>>) -> Events<Extent> {
    let reading = Reading { body, reader: Reader::default(), read: VecDeque::new() };
    stream::try_unfold(reading, next).into_stream().boxed()
}

async fn next<Body>(mut reading: Reading<Body>) -> Result<Option<(Extent, Reading<Body>)>, ReachError>
where
    Body: Stream<Item = Result<Bytes, ReachError>> + Unpin,
{
    loop {
        if let Some(extent) = reading.read.pop_front() {
            return Ok(Some((extent, reading)));
        }
        match reading.body.next().await.transpose()? {
            Some(bytes) => reading.read = reading.reader.take(bytes)?,
            None if reading.reader.ended => return Ok(None),
            None => return Err(ReachError::protocol("a file was not sent whole")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(offset: u64, bytes: &'static [u8]) -> Extent {
        Extent::Data { offset, bytes: Bytes::from_static(bytes) }
    }

    async fn read_in_pieces(bytes: &[u8], length: usize) -> Result<Vec<Extent>, ReachError> {
        let pieces: Vec<_> = bytes.chunks(length).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        read(stream::iter(pieces).boxed()).try_collect().await
    }

    fn frames(extents: &[Extent]) -> Vec<u8> {
        extents.iter().flat_map(|extent| frame(extent).to_vec()).collect()
    }

    #[tokio::test]
    async fn what_was_written_is_read() {
        let written = [data(0, b"abc"), data(3, b""), data(4096, b"defgh"), Extent::End { size: 1 << 40 }];
        let bytes = frames(&written);
        assert_eq!(bytes.len(), 3 * HEAD + 8);
        let whole = read_in_pieces(&bytes, bytes.len()).await.unwrap();
        assert_eq!(whole, [data(0, b"abc"), data(4096, b"defgh"), Extent::End { size: 1 << 40 }]);
        let single = read_in_pieces(&bytes, 1).await.unwrap();
        assert_eq!(single.len(), 9);
        assert_eq!(single[4], data(4097, b"e"));
    }

    #[tokio::test]
    async fn what_is_cut_short_or_out_of_order_is_refused() {
        let whole = frames(&[data(10, b"abc"), Extent::End { size: 13 }]);
        for length in 0..whole.len() {
            assert!(read_in_pieces(&whole[..length], 7).await.is_err(), "{length}");
        }
        for wrong in [
            frames(&[data(10, b"abc"), data(12, b"d"), Extent::End { size: 13 }]),
            frames(&[data(10, b"abc"), Extent::End { size: 12 }]),
            frames(&[Extent::End { size: 3 }, data(3, b"d")]),
            frames(&[data(u64::MAX, b"abc")]),
            frames(&[Extent::End { size: u64::MAX }]),
        ] {
            assert!(read_in_pieces(&wrong, 5).await.is_err(), "{wrong:?}");
        }
    }
}
