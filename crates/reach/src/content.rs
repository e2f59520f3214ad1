//! What is in a file.

use std::fmt;

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::ReachError;

/// A file's content.
pub struct Content {
    /// In bytes, where known beforehand.
    pub size: Option<u64>,
    /// The bytes. A fault ends the stream; an end without one is the whole content.
    pub stream: BoxStream<'static, Result<Bytes, ReachError>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A part of a file that may have holes. What lies between the data is a hole: it reads as zeros and takes no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// Data, in order of offsets; one run of data may come in several pieces.
    Data {
        /// Where it begins, in bytes.
        offset: u64,
        /// It.
        bytes: Bytes,
    },
    /// The last of all. Without it, the content is not whole.
    End {
        /// The file's size in bytes.
        size: u64,
    },
}

/// How a file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Its permission bits afterwards; those it had, or 0644, when absent.
    pub mode: Option<u32>,
}
