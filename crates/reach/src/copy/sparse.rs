//! Files with holes on this machine.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::PIECE;
use crate::{Events, Extent, ReachError};

/// Unit of a file's blocks, in bytes, whatever its file system's is.
const BLOCK: u64 = 512;

/// Whether a file takes less room than it has bytes.
pub(super) fn has_holes(status: &std::fs::Metadata) -> bool {
    status.is_file() && status.blocks().saturating_mul(BLOCK) < status.len()
}

/// How far a file was read.
struct Reading {
    file: Arc<File>,
    size: u64,
    offset: u64,
    /// Where the data ends that `offset` lies in.
    data_end: u64,
    ended: bool,
}

/// The parts of a file that are no holes.
pub(super) fn read(file: File, size: u64) -> BoxStream<'static, io::Result<Extent>> {
    let reading = Reading { file: Arc::new(file), size, offset: 0, data_end: 0, ended: false };
    stream::try_unfold(reading, |reading| async move {
        if reading.ended {
            return Ok(None);
        }
        blocking(move || reading.next().map(Some)).await
    })
    .boxed()
}

impl Reading {
    fn next(mut self) -> io::Result<(Extent, Self)> {
        if self.offset == self.data_end && !self.find_data()? {
            let size = self.size;
            return self.end(size);
        }
        let wanted = (self.data_end - self.offset).min(PIECE as u64);
        // No more than a piece.
        let mut bytes = vec![0; wanted as usize];
        let length = self.file.read_at(&mut bytes, self.offset)?;
        if length == 0 {
            // Somebody cut it short meanwhile.
            let size = self.offset;
            return self.end(size);
        }
        bytes.truncate(length);
        let extent = Extent::Data { offset: self.offset, bytes: Bytes::from(bytes) };
        self.offset += length as u64;
        Ok((extent, self))
    }

    fn end(mut self, size: u64) -> io::Result<(Extent, Self)> {
        self.ended = true;
        Ok((Extent::End { size }, self))
    }

    /// Goes on to the next data; false where there is none.
    fn find_data(&mut self) -> io::Result<bool> {
        let start = match seek(&*self.file, SeekFrom::Data(self.offset)) {
            Err(Errno::NXIO) => return Ok(false),
            other => other?,
        };
        if start >= self.size {
            return Ok(false);
        }
        self.offset = start;
        self.data_end = seek(&*self.file, SeekFrom::Hole(start))?.min(self.size);
        Ok(self.data_end > start)
    }
}

/// Fills an empty file, leaving its holes; gives its size.
pub(super) async fn write(file: File, mut content: Events<Extent>) -> Result<u64, ReachError> {
    let failed = |error| ReachError::local("cannot write what was downloaded", error);
    let file = Arc::new(file);
    let mut size = 0;
    while let Some(extent) = content.try_next().await? {
        let file = Arc::clone(&file);
        size = match extent {
            Extent::Data { offset, bytes } => {
                blocking(move || file.write_all_at(&bytes, offset)).await.map_err(failed)?;
                size
            }
            Extent::End { size } => {
                blocking(move || file.set_len(size)).await.map_err(failed)?;
                size
            }
        };
    }
    Ok(size)
}

async fn blocking<Value: Send + 'static>(
    work: impl FnOnce() -> io::Result<Value> + Send + 'static,
) -> io::Result<Value> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn holes_are_kept() {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        from.write_all_at(b"first", 1 << 20).unwrap();
        from.write_all_at(&vec![7; 3 * PIECE], 1 << 30).unwrap();
        from.set_len(10 << 30).unwrap();
        assert!(has_holes(&from.metadata().unwrap()));
        let read: Vec<Extent> = read(from.try_clone().unwrap(), 10 << 30).try_collect().await.unwrap();
        assert!(read.len() < 10, "{}", read.len());
        assert_eq!(read.last(), Some(&Extent::End { size: 10 << 30 }));
        let content = stream::iter(read.into_iter().map(Ok)).boxed();
        assert_eq!(write(to.try_clone().unwrap(), content).await.unwrap(), 10 << 30);
        let status = to.metadata().unwrap();
        assert_eq!(status.len(), 10 << 30);
        assert!(status.blocks() * BLOCK < 2 << 20, "{} blocks", status.blocks());
        for (offset, expected) in [(0, 0), (1 << 20, b'f'), (1 << 30, 7), ((1 << 30) + 3 * PIECE as u64 - 1, 7)] {
            let mut byte = [1];
            to.read_exact_at(&mut byte, offset).unwrap();
            assert_eq!(byte, [expected], "{offset}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_one_hole_or_nothing_has_only_an_end() {
        for size in [0, 5 << 40] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(size).unwrap();
            let read: Vec<Extent> = read(file, size).try_collect().await.unwrap();
            assert_eq!(read, [Extent::End { size }]);
        }
    }
}
