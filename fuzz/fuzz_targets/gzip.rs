//! Unpacking what comes: the same as in one go, and never more of it at a time than was promised.
//!
//! The first byte says in what pieces the rest comes, the second whether it is packed already.
#![no_main]

use flate2::bufread::GzDecoder;
use libfuzzer_sys::fuzz_target;
use sandboxer_agent::fuzzing::{LARGEST_PIECE, pack, unpack};
use sandboxer_fuzz::{Input, enter, inside, peak_of};
use std::io::Read as _;

/// A vector that grows piece by piece may hold twice what is in it, and both while it moves; the decoder has a window
/// and tables of its own.
const MOST_MEMORY: usize = 3 * LARGEST_PIECE + (256 << 10);

fuzz_target!(init: enter(), |bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (size, is_packed) = (input.byte(), input.byte().is_multiple_of(2));
    let packed = if is_packed { input.rest().to_vec() } else { pack(input.pieces(size)).expect("it can be packed") };
    let expected = if is_packed { plainly(&packed) } else { Some(input.rest().to_vec()) };
    let pieces: Vec<bytes::Bytes> =
        Input::new(&packed).pieces(size).into_iter().map(bytes::Bytes::copy_from_slice).collect();
    // Compared as it comes, so that only the agent holds anything.
    let (memory, ()) = peak_of(|| {
        inside(move |runtime, agent| {
            let mut place = 0;
            let unpacked = runtime.block_on(unpack(agent, pieces, |piece| {
                assert!(piece.len() <= LARGEST_PIECE, "{} bytes at a time", piece.len());
                if let Some(expected) = &expected {
                    assert!(expected[place..].starts_with(&piece), "it was unpacked otherwise");
                }
                place += piece.len();
            }));
            match expected {
                Some(expected) => assert!(unpacked.is_ok() && place == expected.len(), "{unpacked:?}"),
                None => assert!(unpacked.is_err(), "what is not whole was taken"),
            }
        });
    });
    assert!(memory < MOST_MEMORY, "{memory} bytes were held");
});

/// All at once, member by member; `None` for what is not whole.
fn plainly(mut packed: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let mut member = GzDecoder::new(packed);
        member.read_to_end(&mut content).ok()?;
        packed = member.into_inner();
        if packed.is_empty() {
            return Some(content);
        }
    }
}
