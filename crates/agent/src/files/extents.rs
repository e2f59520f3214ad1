//! Files with holes, without sending the holes.
//!
//! The content is a row of frames: the offset and the length of some data, both as eight bytes, big-endian, and the data.
//! The last frame has the length 0, and its offset is the file's size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// The media type.
pub(super) const TYPE: &str = "application/vnd.sandboxer.extents";

const HEAD: usize = 16;
/// The largest size a file can have.
const LARGEST: u64 = i64::MAX as u64;

/// A frame's beginning; with length 0 the end of all.
pub(super) fn head(offset: u64, length: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&offset.to_be_bytes());
    head[8..].copy_from_slice(&length.to_be_bytes());
    head
}

/// Where data begins and ends, from `position` on; `None` when there is only a hole up to the end.
pub(super) fn next_data(file: &File, position: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    if position >= size {
        return Ok(None);
    }
    let start = match seek(file, SeekFrom::Data(position)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // A file system that knows no holes.
        Err(Errno::INVAL) => return Ok(Some((position, size))),
        Err(error) => return Err(error.into()),
    };
    let end = seek(file, SeekFrom::Hole(start))?.min(size);
    Ok((start < end).then_some((start, end)))
}

/// Takes frames in whatever pieces they come, and writes what they say.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    head: Vec<u8>,
    /// Where the data that comes belongs, and how much of it is still to come.
    offset: u64,
    left: u64,
    size: Option<u64>,
}

impl Reader {
    pub(super) fn new(file: File) -> Self {
        Self { file, head: Vec::with_capacity(HEAD), offset: 0, left: 0, size: None }
    }

    pub(super) fn write(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            if self.size.is_some() {
                return Err(malformed("something follows the last frame"));
            }
            if self.left == 0 {
                piece = self.begin(piece)?;
            } else {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
                self.file.write_all_at(&piece[..length], self.offset)?;
                self.offset += length as u64;
                self.left -= length as u64;
                piece = &piece[length..];
            }
        }
        Ok(())
    }

    /// Takes what belongs to a frame's head; gives the rest.
    fn begin<'a>(&mut self, piece: &'a [u8]) -> io::Result<&'a [u8]> {
        let (head, rest) = piece.split_at(piece.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(head);
        let Some((offset, length)) = split(&self.head) else { return Ok(rest) };
        self.head.clear();
        if offset.checked_add(length).is_none_or(|end| end > LARGEST) {
            return Err(malformed("a frame lies beyond the largest size of a file"));
        }
        if length == 0 {
            self.size = Some(offset);
        }
        (self.offset, self.left) = (offset, length);
        Ok(rest)
    }

    /// The file, in its true size.
    pub(super) fn finish(self) -> io::Result<File> {
        let size = self.size.ok_or_else(|| malformed("the last frame is missing"))?;
        if size < self.file.metadata()?.len() {
            return Err(malformed("the size is less than where data lies"));
        }
        self.file.set_len(size)?;
        Ok(self.file)
    }
}

fn split(head: &[u8]) -> Option<(u64, u64)> {
    let (offset, length) = head.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*offset), u64::from_be_bytes(length.try_into().ok()?)))
}

fn malformed(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn frames(parts: &[(u64, &[u8])], size: u64) -> Vec<u8> {
        let mut all = Vec::new();
        for (offset, data) in parts {
            all.extend(head(*offset, data.len() as u64));
            all.extend(*data);
        }
        all.extend(head(size, 0));
        all
    }

    fn read(content: &[u8], piece: usize) -> io::Result<File> {
        let mut reader = Reader::new(tempfile::tempfile().unwrap());
        for piece in content.chunks(piece) {
            reader.write(piece)?;
        }
        reader.finish()
    }

    #[test]
    fn holes_stay_holes() {
        let content = frames(&[(0, b"begin"), (8 << 20, b"middle")], 1 << 40);
        for piece in [1, 7, 16, 1000] {
            let file = read(&content, piece).unwrap();
            let status = file.metadata().unwrap();
            assert_eq!(status.len(), 1 << 40);
            assert!(status.blocks() < 1000, "{}", status.blocks());
            let (start, end) = next_data(&file, 100_000, status.len()).unwrap().unwrap();
            assert!(start <= 8 << 20 && end >= (8 << 20) + 6);
            assert_eq!(next_data(&file, end, status.len()).unwrap(), None);
            let mut middle = [0; 6];
            file.read_exact_at(&mut middle, 8 << 20).unwrap();
            assert_eq!(&middle, b"middle");
        }
        assert_eq!(read(&frames(&[], 0), 16).unwrap().metadata().unwrap().len(), 0);
    }

    #[test]
    fn nonsense_is_refused() {
        let whole = frames(&[(0, b"abc")], 3);
        for broken in [
            &whole[..whole.len() - 1],
            &whole[..4],
            &[],
            &[&whole[..], b"x"].concat(),
            &frames(&[(0, b"abc")], 2),
            &frames(&[(u64::MAX, b"a")], 1),
            &frames(&[(LARGEST, b"a")], 1),
        ] {
            let error = read(broken, 5).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{broken:?}");
        }
    }
}
