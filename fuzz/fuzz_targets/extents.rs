//! Files with holes: what is written is what the frames say, and nonsense is refused.
//!
//! The first byte says in what pieces the rest comes.
#![no_main]

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;

use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};
use sandboxer_agent::fuzzing::extents;
use sandboxer_fuzz::Input;

/// A file cannot be larger.
const LARGEST: u64 = i64::MAX as u64;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let size = input.byte();
    let file = File::from(memfd_create("fuzzed", MemfdFlags::CLOEXEC).expect("a file in memory"));
    let written = extents(file, input.pieces(size));
    match (written, plainly(input.rest())) {
        (Ok(file), Some(content)) => compare(&file, &content),
        (Ok(_), None) => panic!("nonsense was taken"),
        // A file system has limits of its own.
        (Err(error), content) => {
            assert!(content.is_none() || error.kind() != ErrorKind::InvalidData, "it was refused: {error}");
        }
    }
});

struct Content<'a> {
    /// In the order in which they are written.
    parts: Vec<(u64, &'a [u8])>,
    size: u64,
}

/// All at once.
fn plainly(mut bytes: &[u8]) -> Option<Content<'_>> {
    let mut parts = Vec::new();
    loop {
        let (head, rest) = bytes.split_at_checked(16)?;
        let offset = u64::from_be_bytes(head[..8].try_into().ok()?);
        let length = u64::from_be_bytes(head[8..].try_into().ok()?);
        let end = offset.checked_add(length).filter(|end| *end <= LARGEST)?;
        if length == 0 {
            let largest = parts.iter().map(|(offset, part): &(u64, &[u8])| offset + part.len() as u64).max();
            return (rest.is_empty() && largest.unwrap_or(0) <= end).then_some(Content { parts, size: end });
        }
        let (part, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        parts.push((offset, part));
        bytes = rest;
    }
}

fn compare(file: &File, content: &Content<'_>) {
    assert_eq!(file.metadata().expect("a status").len(), content.size);
    for (index, (offset, part)) in content.parts.iter().enumerate() {
        let mut read = vec![0; part.len()];
        file.read_exact_at(&mut read, *offset).expect("it is there");
        let mut expected = part.to_vec();
        // What was written later lies above it.
        for (later, above) in &content.parts[index + 1..] {
            for (place, byte) in above.iter().enumerate() {
                let place = (later + place as u64).checked_sub(*offset).and_then(|place| usize::try_from(place).ok());
                if let Some(old) = place.and_then(|place| expected.get_mut(place)) {
                    *old = *byte;
                }
            }
        }
        assert!(read == expected, "the part at {offset} was written otherwise");
    }
}
