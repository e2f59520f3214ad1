//! What is kept of a command's output, for who comes later.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The most that is kept of one command.
const MOST: usize = 256 * 1024;
/// The same, where whoever follows wants to lose nothing when the connection breaks: more than can be under way.
const MOST_UNDER_WAY: usize = 4 << 20;
/// For both outputs, what a pipe holds and what was just read from it.
const LEFT_BEHIND: usize = 5 * LARGEST_PIECE;
/// A message holds no more output than this, so that a connection that keeps breaking comes on nevertheless.
const LARGEST_PIECE: usize = 64 * 1024;
/// When all commands together keep more than this, each keeps no more than [`LITTLE`] of what it says from then on.
pub(super) const MOST_OF_ALL: usize = 16 << 20;
const LITTLE: usize = 16 * 1024;
/// What a run of bytes from one source costs beside the bytes.
const RUN_COST: usize = size_of::<Run>();

/// How much all commands keep, in bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<AtomicUsize>);

impl Memory {
    fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Stdout,
    Stderr,
    Terminal,
}

/// Bytes that came from one source in a row.
#[derive(Debug, Clone, Copy)]
struct Run {
    source: Source,
    length: usize,
}

/// The end of a command's output. Offsets count all of it, in the order in which it came.
#[derive(Debug)]
pub(super) struct Kept {
    memory: Memory,
    most: usize,
    counted: usize,
    bytes: VecDeque<u8>,
    runs: VecDeque<Run>,
    /// The offset after the last byte.
    end: u64,
}

/// A piece of output with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) source: Source,
    pub(super) bytes: Bytes,
}

impl Kept {
    pub(super) fn new(memory: Memory) -> Self {
        Self { memory, most: MOST, counted: 0, bytes: VecDeque::new(), runs: VecDeque::new(), end: 0 }
    }

    /// The offset of the first byte that is kept.
    pub(super) fn start(&self) -> u64 {
        self.end - self.bytes.len() as u64
    }

    /// The offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// How much it keeps.
    pub(super) fn size(&self) -> usize {
        self.counted
    }

    /// Keeps as much as can be under way to a follower.
    pub(super) fn keep_what_is_under_way(&mut self) {
        self.most = MOST_UNDER_WAY;
    }

    /// Makes room for what a command may have left in its pipes and on the way from them.
    pub(super) fn keep_what_is_left(&mut self) {
        self.most += LEFT_BEHIND;
    }

    /// Whether all commands together keep so much that no more than a little is kept of this one.
    pub(super) fn is_short_of_memory(&self) -> bool {
        self.memory.used() > MOST_OF_ALL
    }

    /// Whether so much more can be added without forgetting anything.
    pub(super) fn has_room(&self, length: usize) -> bool {
        self.cost() + RUN_COST + length <= self.allowed()
    }

    fn allowed(&self) -> usize {
        if self.is_short_of_memory() { LITTLE } else { self.most }
    }

    /// Adds output, and forgets the oldest where there is too much.
    pub(super) fn push(&mut self, source: Source, bytes: &[u8]) {
        self.end += bytes.len() as u64;
        let most = self.allowed();
        let bytes = &bytes[bytes.len().saturating_sub(most)..];
        self.forget(most - bytes.len());
        match self.runs.back_mut() {
            Some(run) if run.source == source => run.length += bytes.len(),
            _ => self.runs.push_back(Run { source, length: bytes.len() }),
        }
        self.bytes.extend(bytes);
        self.count();
    }

    /// Forgets the oldest until no more than `most` is kept.
    fn forget(&mut self, most: usize) {
        while self.cost() > most {
            let over = self.cost() - most;
            let Some(run) = self.runs.front_mut() else { break };
            let length = over.min(run.length);
            run.length -= length;
            if run.length == 0 {
                self.runs.pop_front();
            }
            self.bytes.drain(..length);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes = VecDeque::new();
        self.runs = VecDeque::new();
        self.count();
    }

    /// Nothing more will come: gives back what was reserved for it.
    pub(super) fn close(&mut self) {
        self.bytes.shrink_to_fit();
        self.runs.shrink_to_fit();
    }

    /// What is kept from `offset` on.
    pub(super) fn from(&self, offset: u64) -> Vec<Piece> {
        let start = self.start();
        let skipped = usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX);
        let mut place = 0;
        let mut pieces = Vec::new();
        for run in &self.runs {
            let end = place + run.length;
            let mut from = place.max(skipped);
            while from < end {
                let to = end.min(from + LARGEST_PIECE);
                pieces.push(Piece { offset: start + from as u64, source: run.source, bytes: self.copy(from..to) });
                from = to;
            }
            place = end;
        }
        pieces
    }

    /// Some of the bytes, by their places among those that are kept.
    fn copy(&self, range: Range<usize>) -> Bytes {
        let (first, second) = self.bytes.as_slices();
        let within = |slice: &[u8], before: usize| {
            let from = range.start.saturating_sub(before).min(slice.len());
            from..range.end.saturating_sub(before).min(slice.len())
        };
        let (front, back) = (within(first, 0), within(second, first.len()));
        [&first[front], &second[back]].concat().into()
    }

    fn cost(&self) -> usize {
        self.bytes.len() + self.runs.len() * RUN_COST
    }

    fn count(&mut self) {
        let cost = self.cost();
        self.memory.0.fetch_add(cost, Ordering::Relaxed);
        self.memory.0.fetch_sub(self.counted, Ordering::Relaxed);
        self.counted = cost;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        Kept::new(Memory::default())
    }

    fn texts(pieces: &[Piece]) -> Vec<(u64, Source, &[u8])> {
        pieces.iter().map(|piece| (piece.offset, piece.source, &piece.bytes[..])).collect()
    }

    #[test]
    fn every_offset_gives_the_rest() {
        let mut kept = kept();
        kept.push(Source::Stdout, b"ab");
        kept.push(Source::Stdout, b"c");
        kept.push(Source::Stderr, b"de");
        assert_eq!((kept.start(), kept.end()), (0, 5));
        assert_eq!(texts(&kept.from(0)), [(0, Source::Stdout, &b"abc"[..]), (3, Source::Stderr, b"de")]);
        assert_eq!(texts(&kept.from(2)), [(2, Source::Stdout, &b"c"[..]), (3, Source::Stderr, b"de")]);
        assert_eq!(texts(&kept.from(4)), [(4, Source::Stderr, &b"e"[..])]);
        assert_eq!(texts(&kept.from(5)), []);
    }

    #[test]
    fn what_wraps_around_is_whole() {
        let mut kept = kept();
        let all: Vec<u8> = (0..2_000_000_u32).map(|number| (number % 251) as u8).collect();
        for piece in all.chunks(777) {
            kept.push(Source::Stdout, piece);
        }
        for offset in [kept.start(), kept.start() + 100_001, kept.end() - 1] {
            let bytes: Vec<u8> = kept.from(offset).iter().flat_map(|piece| piece.bytes.to_vec()).collect();
            assert!(bytes == all[usize::try_from(offset).unwrap()..], "{offset}");
        }
    }

    #[test]
    fn the_oldest_is_forgotten_and_offsets_stay() {
        let mut kept = kept();
        for number in 0..10_000_u32 {
            kept.push(Source::Stdout, format!("{number:099}\n").as_bytes());
        }
        assert_eq!(kept.end(), 1_000_000);
        assert!(kept.cost() <= MOST && kept.end() - kept.start() > 200_000);
        let last = kept.from(999_900);
        assert_eq!(texts(&last), [(999_900, Source::Stdout, format!("{:099}\n", 9999).as_bytes())]);
        kept.push(Source::Stderr, &vec![b'x'; 3 * MOST]);
        assert_eq!(kept.end(), 1_000_000 + 3 * MOST as u64);
        assert!(kept.cost() <= MOST + RUN_COST, "{}", kept.cost());
        let all = kept.from(0);
        assert!(all.iter().all(|piece| piece.source == Source::Stderr && piece.bytes.len() <= LARGEST_PIECE));
    }

    #[test]
    fn single_bytes_from_two_sources_cost_no_more_than_the_limit() {
        let mut kept = kept();
        for _ in 0..MOST {
            kept.push(Source::Stdout, b"o");
            kept.push(Source::Stderr, b"e");
        }
        assert!(kept.cost() <= MOST + RUN_COST);
    }

    #[test]
    fn many_commands_together_keep_little() {
        let memory = Memory::default();
        let mut all: Vec<Kept> = (0..200).map(|_| Kept::new(memory.clone())).collect();
        for kept in &mut all {
            kept.push(Source::Stdout, &vec![0; MOST]);
        }
        assert!(memory.used() <= MOST_OF_ALL + MOST + 200 * (LITTLE + RUN_COST), "{}", memory.used());
        drop(all);
        assert_eq!(memory.used(), 0);
    }
}
