//! Compression on the way: what a request says of it, and gzip itself, in pieces of bounded size.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, StatusCode, header};

use crate::answer::Refusal;
use crate::workers::Workers;

/// How content is packed on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

/// How the content of a request is packed.
pub(super) fn of_content(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(Encoding::Identity) };
    let name = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "" | "identity" => Ok(Encoding::Identity),
        "gzip" => Ok(Encoding::Gzip),
        _ => Err(Refusal::bad_request(format!("unsupported Content-Encoding: {name}, supported: [gzip]"))),
    }
}

/// How an answer should be packed: as the client likes best.
pub(super) fn wanted(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut choices: Vec<(String, f32)> =
        values.flat_map(|value| value.split(',')).map(choice).filter(|(name, _)| !name.is_empty()).collect();
    // Stable, so that of equals the first counts.
    choices.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let refused = choices.iter().any(|(name, quality)| name == "identity" && *quality <= 0.0);
    for (name, quality) in &choices {
        match name.as_str() {
            _ if *quality <= 0.0 => {}
            "gzip" => return Ok(Encoding::Gzip),
            "*" if refused => return Ok(Encoding::Gzip),
            "identity" | "*" => return Ok(Encoding::Identity),
            _ => {}
        }
    }
    if refused {
        let message = "no acceptable encoding found, supported: [identity, gzip]";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, message));
    }
    Ok(Encoding::Identity)
}

fn choice(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
    (name, quality.unwrap_or(1.0))
}

/// What is unpacked at a time, in bytes.
const UNPACKED: usize = 256 * 1024;
/// So little is fed at a time that it cannot become much more than [`UNPACKED`]: a byte becomes 1032 at most.
const FED: usize = 256;
/// What the decoder may still hold of bytes that it was fed before: a buffer of its own, the bits that it has read ahead
/// and the rest of one match.
#[cfg(any(test, fuzzing))]
const HELD_BACK: usize = 32 * 1024 + 1032 * size_of::<u64>() + 258;
/// No piece of what is unpacked is longer.
#[cfg(any(test, fuzzing))]
pub(super) const LARGEST_PIECE: usize = UNPACKED + 1032 * FED + HELD_BACK;

/// Unpacks a body. A body that is not whole ends with a fault.
pub(super) fn unpack(
    workers: Workers,
    pieces: impl Stream<Item = Result<Bytes, Refusal>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, Refusal>> + Send {
    let unpacking = Some(Unpacking { decoder: MultiGzDecoder::new(Vec::new()), packed: Bytes::new(), ended: false });
    futures::stream::unfold((Box::pin(pieces), unpacking), move |(mut pieces, unpacking)| {
        let workers = workers.clone();
        async move {
            let mut unpacking = unpacking?;
            loop {
                if unpacking.packed.is_empty() {
                    match pieces.next().await {
                        Some(Ok(piece)) => unpacking.packed = piece,
                        Some(Err(refusal)) => return Some((Err(refusal), (pieces, None))),
                        None => unpacking.ended = true,
                    }
                }
                let stepped = workers.run(None, move || unpacking.step()).await;
                match stepped {
                    Err(error) => return Some((Err(corrupt(&error)), (pieces, None))),
                    Ok((piece, after)) if after.ended => {
                        return (!piece.is_empty()).then_some((Ok(piece), (pieces, None)));
                    }
                    Ok((piece, after)) if !piece.is_empty() => return Some((Ok(piece), (pieces, Some(after)))),
                    Ok((_, after)) => unpacking = after,
                }
            }
        }
    })
}

fn corrupt(error: &io::Error) -> Refusal {
    Refusal::bad_request(format!("error decompressing request body: {error}"))
}

struct Unpacking {
    decoder: MultiGzDecoder<Vec<u8>>,
    packed: Bytes,
    ended: bool,
}

impl Unpacking {
    fn step(mut self) -> io::Result<(Bytes, Self)> {
        while !self.packed.is_empty() && self.decoder.get_ref().len() < UNPACKED {
            let fed = self.packed.split_to(self.packed.len().min(FED));
            self.decoder.write_all(&fed)?;
        }
        if self.ended {
            self.decoder.try_finish()?;
        }
        Ok((std::mem::take(self.decoder.get_mut()).into(), self))
    }
}

/// Packs what is to be sent, piece by piece.
#[derive(Debug)]
pub(super) struct Packing(GzEncoder<Vec<u8>>);

impl Packing {
    pub(super) fn new() -> Self {
        // A wire is seldom so slow that more would pay.
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// What can be sent after one more piece; perhaps nothing yet.
    pub(super) fn pack(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        self.0.write_all(piece)?;
        Ok(std::mem::take(self.0.get_mut()).into())
    }

    /// The rest.
    pub(super) fn finish(&mut self) -> io::Result<Bytes> {
        self.0.try_finish()?;
        Ok(std::mem::take(self.0.get_mut()).into())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    fn accept(value: &str) -> Result<Encoding, Refusal> {
        wanted(&[(header::ACCEPT_ENCODING, value.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn the_client_chooses() {
        for (value, expected) in [
            ("", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("gzip, deflate", Encoding::Gzip),
            ("br, GZIP;q=0.5", Encoding::Gzip),
            ("gzip;q=0.5, identity", Encoding::Identity),
            ("gzip;q=0", Encoding::Identity),
            ("*", Encoding::Identity),
            ("*, identity;q=0", Encoding::Gzip),
            ("br", Encoding::Identity),
        ] {
            assert_eq!(accept(value), Ok(expected), "{value}");
        }
        assert!(accept("identity;q=0").is_err());
        assert!(accept("br, identity;q=0").is_err());
    }

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut packing = Packing::new();
        let mut all = packing.pack(content).unwrap().to_vec();
        all.extend(packing.finish().unwrap());
        all
    }

    async fn unpacked(packed: &[u8], piece: usize) -> Result<Vec<Bytes>, Refusal> {
        let pieces: Vec<_> = packed.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        unpack(Workers::start().unwrap(), futures::stream::iter(pieces)).try_collect().await
    }

    #[tokio::test]
    async fn what_was_packed_is_unpacked_in_small_pieces() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number >> 12) as u8).collect();
        let twice = [packed(&content), packed(b"more")].concat();
        for piece in [1 << 20, 777] {
            let pieces = unpacked(&twice, piece).await.unwrap();
            assert!(pieces.iter().all(|piece| piece.len() <= LARGEST_PIECE));
            assert_eq!(pieces.concat(), [&content[..], b"more"].concat());
        }
    }

    #[tokio::test]
    async fn a_bomb_stays_small() {
        let bomb = packed(&vec![0; 16 << 20]);
        let pieces = unpacked(&bomb, 1 << 20).await.unwrap();
        assert!(pieces.iter().all(|piece| piece.len() <= LARGEST_PIECE));
        assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), 16 << 20);
    }

    #[tokio::test]
    async fn what_is_not_whole_is_a_fault() {
        let whole = packed(b"some content that is long enough");
        for broken in [&whole[..whole.len() - 1], &whole[..5], b"", b"no gzip"] {
            assert!(unpacked(broken, 1000).await.is_err(), "{broken:?}");
        }
        let mut flipped = whole.clone();
        let last = flipped.len() - 5;
        flipped[last] ^= 1;
        assert!(unpacked(&flipped, 1000).await.is_err());
    }
}
