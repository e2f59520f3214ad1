//! What a client sends on a channel, until somebody takes it.
//!
//! `russh` gives leave to send more as soon as something has come, and waits for nobody. So what comes faster than it is
//! taken is kept: a little in memory, the rest in a file without a name. Only when very much is waiting is the client held
//! up as a whole: see [`Pressure`].

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use futures::task::AtomicWaker;
use tokio::sync::Notify;

/// So much of a channel is kept in memory.
const IN_MEMORY: usize = 1 << 20;
/// So much is read from a file at once.
const CHUNK: usize = 64 * 1024;
/// With so much waiting, nothing more is read from the client.
const MUCH: u64 = 1 << 30;
/// So much more is read when some output waits for the client: what it waits for may stand behind that.
const SLACK: u64 = 64 << 20;

/// How much waits in all channels of one connection, and whether any output waits for the client.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    waiting: AtomicU64,
    stalled: AtomicUsize,
    reader: AtomicWaker,
}

impl Pressure {
    /// Whether nothing more may be read from the client. Whoever asks is woken when that changes.
    pub(crate) fn holds_up_reader(&self, reader: &Waker) -> bool {
        self.reader.register(reader);
        self.holds_up()
    }

    fn holds_up(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > MUCH && self.stalled.load(Ordering::Acquire) == 0
    }

    fn is_too_much(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > MUCH + SLACK
    }

    fn add(&self, bytes: usize) {
        self.waiting.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    fn remove(&self, bytes: u64) {
        self.waiting.fetch_sub(bytes, Ordering::AcqRel);
        self.reader.wake();
    }

    /// Some output waits for the client, as long as what is returned lives.
    pub(crate) fn stall(&self) -> Stalled<'_> {
        self.stalled.fetch_add(1, Ordering::AcqRel);
        self.reader.wake();
        Stalled(self)
    }
}

/// See [`Pressure::stall`].
pub(crate) struct Stalled<'a>(&'a Pressure);

impl Drop for Stalled<'_> {
    fn drop(&mut self) {
        self.0.stalled.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The part that does not fit in memory: what lies between the two places is still to be taken.
struct Spilled {
    file: File,
    taken: u64,
    end: u64,
}

/// What waits on one channel, in the order of its coming: first what is in memory, then what is in the file.
#[derive(Default)]
struct Waiting {
    pieces: VecDeque<Bytes>,
    in_memory: usize,
    spilled: Option<Spilled>,
    ended: bool,
    broken: Option<io::Error>,
}

impl Waiting {
    fn push(&mut self, bytes: &[u8], folder: &PathBuf) -> io::Result<()> {
        if self.spilled.is_none() && self.in_memory + bytes.len() <= IN_MEMORY {
            self.in_memory += bytes.len();
            self.pieces.push_back(Bytes::copy_from_slice(bytes));
            return Ok(());
        }
        if self.spilled.is_none() {
            self.spilled = Some(Spilled { file: tempfile::tempfile_in(folder)?, taken: 0, end: 0 });
        }
        if let Some(spilled) = &mut self.spilled {
            spilled.file.write_all_at(bytes, spilled.end)?;
            spilled.end += bytes.len() as u64;
        }
        Ok(())
    }

    fn pop(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(piece) = self.pieces.pop_front() {
            self.in_memory -= piece.len();
            return Ok(Some(piece));
        }
        let Some(spilled) = &mut self.spilled else { return Ok(None) };
        let count = usize::try_from(spilled.end - spilled.taken).unwrap_or(usize::MAX).min(CHUNK);
        let mut piece = BytesMut::zeroed(count);
        spilled.file.read_exact_at(&mut piece, spilled.taken)?;
        spilled.taken += count as u64;
        if spilled.taken == spilled.end {
            // The file goes, and memory is used again.
            self.spilled = None;
        }
        Ok(Some(piece.freeze()))
    }

    fn left(&self) -> u64 {
        let spilled = self.spilled.as_ref().map_or(0, |spilled| spilled.end - spilled.taken);
        self.in_memory as u64 + spilled
    }
}

struct Shared {
    waiting: Mutex<Waiting>,
    changed: Notify,
    pressure: Arc<Pressure>,
    folder: PathBuf,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where what comes is put.
pub(crate) struct Inlet(Arc<Shared>);

/// Where it is taken.
pub(crate) struct Input(Arc<Shared>);

/// Both ends of one channel's input. What does not fit in memory is kept in `folder`.
pub(crate) fn input(pressure: Arc<Pressure>, folder: PathBuf) -> (Inlet, Input) {
    let shared = Arc::new(Shared { waiting: Mutex::default(), changed: Notify::new(), pressure, folder });
    (Inlet(Arc::clone(&shared)), Input(shared))
}

impl Inlet {
    /// What cannot be kept breaks the input, which is said to whoever takes it.
    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut waiting = self.0.waiting();
        if bytes.is_empty() || waiting.ended || waiting.broken.is_some() || Arc::strong_count(&self.0) == 1 {
            return;
        }
        let kept = if self.0.pressure.is_too_much() {
            Err(io::Error::new(io::ErrorKind::StorageFull, "too much input waits for who waits for its output"))
        } else {
            waiting.push(bytes, &self.0.folder)
        };
        match kept {
            Ok(()) => self.0.pressure.add(bytes.len()),
            Err(error) => waiting.broken = Some(error),
        }
        drop(waiting);
        self.0.changed.notify_one();
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        self.0.waiting().ended = true;
        self.0.changed.notify_one();
    }
}

impl Input {
    /// The next piece; `None` at the end. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let changed = self.0.changed.notified();
            {
                let mut waiting = self.0.waiting();
                if let Some(piece) = waiting.pop()? {
                    self.0.pressure.remove(piece.len() as u64);
                    return Ok(Some(piece));
                }
                if let Some(error) = waiting.broken.take() {
                    waiting.ended = true;
                    return Err(error);
                }
                if waiting.ended {
                    return Ok(None);
                }
            }
            changed.await;
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        let left = waiting.left();
        *waiting = Waiting { ended: true, ..Waiting::default() };
        self.0.pressure.remove(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn ends() -> (Inlet, Input, Arc<Pressure>) {
        let pressure = Arc::new(Pressure::default());
        let (inlet, input) = input(Arc::clone(&pressure), std::env::temp_dir());
        (inlet, input, pressure)
    }

    fn all(input: &mut Input) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(Ok(Some(piece))) = input.next().now_or_never() {
            all.extend_from_slice(&piece);
        }
        all
    }

    #[test]
    fn what_does_not_fit_in_memory_comes_in_order_too() {
        let (inlet, mut input, pressure) = ends();
        let bytes: Vec<u8> = (0..3 * IN_MEMORY as u32).map(|number| (number % 251) as u8).collect();
        for piece in bytes.chunks(40_000) {
            inlet.push(piece);
        }
        assert!(input.0.waiting().in_memory <= IN_MEMORY);
        assert!(input.0.waiting().spilled.is_some());
        assert_eq!(pressure.waiting.load(Ordering::Acquire), bytes.len() as u64);
        assert!(all(&mut input) == bytes);
        assert!(input.0.waiting().spilled.is_none());
        inlet.push(b"more");
        assert!(input.0.waiting().in_memory == 4);
        assert_eq!(all(&mut input), b"more");
        assert_eq!(pressure.waiting.load(Ordering::Acquire), 0);
    }

    #[test]
    fn the_end_comes_behind_everything() {
        let (inlet, mut input, _) = ends();
        assert!(input.next().now_or_never().is_none());
        inlet.push(b"last");
        inlet.end();
        inlet.push(b"too late");
        assert_eq!(input.next().now_or_never().unwrap().unwrap().as_deref(), Some(&b"last"[..]));
        assert_eq!(input.next().now_or_never().unwrap().unwrap(), None);
    }

    #[test]
    fn much_holds_the_client_up_unless_output_waits_for_it() {
        let (inlet, mut input, pressure) = ends();
        pressure.waiting.store(MUCH + 1, Ordering::Release);
        assert!(pressure.holds_up());
        let stalled = pressure.stall();
        assert!(!pressure.holds_up());
        drop(stalled);
        assert!(pressure.holds_up());
        pressure.waiting.store(MUCH + SLACK + 1, Ordering::Release);
        inlet.push(b"lost");
        assert_eq!(input.next().now_or_never().unwrap().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn what_nobody_takes_weighs_nothing() {
        let (inlet, input, pressure) = ends();
        inlet.push(b"some");
        drop(input);
        inlet.push(b"more");
        assert_eq!(pressure.waiting.load(Ordering::Acquire), 0);
    }
}
