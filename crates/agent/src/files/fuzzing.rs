//! What the fuzz targets reach of files: see the crate's own `fuzzing`.

use std::ffi::OsString;
use std::fs::File;
use std::io;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::encoding::{self, Packing};
use super::extents::Reader;
use super::query::Query;
use crate::fuzzing::{Agent, access};

/// No piece of what is unpacked is longer.
pub const LARGEST_PIECE: usize = encoding::LARGEST_PIECE;

/// The path in the query of a `/files` request; an error for a query that is refused.
pub fn path_of(query: &str) -> Result<Option<OsString>, String> {
    Query::parse(Some(query)).map(|query| query.path).map_err(|refusal| refusal.to_string())
}

/// Whether an agent of that token lets such a request for a file in; an error for a query that is refused.
pub fn opens(token: &str, shown: Option<&str>, query: &str, operation: &str, now: i64) -> Result<bool, String> {
    let query = Query::parse(Some(query)).map_err(|refusal| refusal.to_string())?;
    let mut headers = HeaderMap::new();
    if let Some(shown) = shown {
        let value = HeaderValue::from_str(shown).map_err(|error| error.to_string())?;
        headers.insert(HeaderName::from_static("x-access-token"), value);
    }
    Ok(access(token).permit_file(&headers, &query.signed(operation), now).is_ok())
}

/// Writes what the pieces of such a body say into the file.
pub fn extents<'a>(file: File, pieces: impl IntoIterator<Item = &'a [u8]>) -> io::Result<File> {
    let mut reader = Reader::new(file);
    pieces.into_iter().try_for_each(|piece| reader.write(piece))?;
    reader.finish()
}

/// Unpacks a body, and hands out each piece as it comes.
pub async fn unpack(agent: &Agent, packed: Vec<Bytes>, mut take: impl FnMut(Bytes)) -> Result<(), String> {
    let packed = futures::stream::iter(packed.into_iter().map(Ok));
    let mut pieces = std::pin::pin!(encoding::unpack(agent.workers.clone(), packed));
    while let Some(piece) = pieces.next().await {
        take(piece.map_err(|refusal| refusal.to_string())?);
    }
    Ok(())
}

/// Packs content, as a download is packed.
pub fn pack<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> io::Result<Vec<u8>> {
    let mut packing = Packing::new();
    let mut packed = Vec::new();
    for piece in pieces {
        packed.extend(packing.pack(piece)?);
    }
    packed.extend(packing.finish()?);
    Ok(packed)
}
