//! A way to a host that is slow, and can be cut at a chosen byte.

use crate::space::Space;
use crate::wait::pause;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// Listens in a network and passes on what it hears, each piece as late as was asked for.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    delay: Duration,
    /// So many bytes still go through, of both directions together.
    left: AtomicU64,
    passed: AtomicU64,
    /// What comes then: every connection is broken off, else silence.
    breaks: AtomicBool,
    cut: AtomicBool,
    ended: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub(crate) fn start(space: &Space, to: SocketAddr, delay: Duration) -> Self {
        let state = Arc::new(State {
            delay,
            left: AtomicU64::new(u64::MAX),
            passed: AtomicU64::new(0),
            breaks: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let network = File::open(format!("/proc/{}/ns/net", space.first())).expect("it lives");
        let (told, address) = mpsc::channel();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            // Of this thread alone, and of those that it starts.
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            told.send(listener.local_addr().expect("bound")).expect("somebody waits");
            serve(&listener, to, &shared);
        });
        Self { address: address.recv().expect("it listens"), state }
    }

    /// Where it listens, in its network.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many bytes it has passed on, of both directions together.
    pub fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }

    /// After so many bytes more it falls silent: nothing is closed, nothing goes through.
    pub fn silence_after(&self, bytes: u64) {
        self.state.breaks.store(false, Ordering::SeqCst);
        self.state.left.store(bytes, Ordering::SeqCst);
    }

    /// After so many bytes more every connection is broken off, once; new ones can be made.
    pub fn break_after(&self, bytes: u64) {
        self.state.breaks.store(true, Ordering::SeqCst);
        self.state.left.store(bytes, Ordering::SeqCst);
    }

    /// Whether the instant of [`Proxy::silence_after`] or [`Proxy::break_after`] has come.
    pub fn was_cut(&self) -> bool {
        self.state.cut.load(Ordering::SeqCst)
    }

    /// Everything goes through from now on. What was swallowed is lost, so that connections of before are broken off.
    pub fn restore(&self) {
        self.state.drop_connections();
        self.state.left.store(u64::MAX, Ordering::SeqCst);
        self.state.cut.store(false, Ordering::SeqCst);
    }

    /// Breaks every connection off; new ones can be made.
    pub fn drop_connections(&self) {
        self.state.drop_connections();
    }
}

impl State {
    fn drop_connections(&self) {
        for stream in self.streams.lock().expect("nobody panics").drain(..) {
            // One that ended already cannot be ended.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.drop_connections();
    }
}

/// Takes connections until the proxy is dropped.
fn serve(listener: &TcpListener, to: SocketAddr, state: &Arc<State>) {
    listener.set_nonblocking(true).expect("a socket");
    while !state.ended.load(Ordering::SeqCst) {
        let Ok((near, _)) = listener.accept() else {
            pause(Duration::from_millis(2));
            continue;
        };
        near.set_nonblocking(false).expect("a socket");
        let state = Arc::clone(state);
        std::thread::spawn(move || join(near, to, &state));
    }
}

fn join(near: TcpStream, to: SocketAddr, state: &Arc<State>) {
    let Ok(far) = TcpStream::connect_timeout(&to, Duration::from_secs(10)) else { return };
    let copy = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
    for stream in [&near, &far] {
        stream.set_nodelay(true).expect("a socket");
    }
    state.streams.lock().expect("nobody panics").extend([copy(&near), copy(&far)]);
    for (from, to) in [(copy(&near), copy(&far)), (far, near)] {
        let state = Arc::clone(state);
        let (sender, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
        let delay = state.delay;
        std::thread::spawn(move || pass_on(&pieces, &to));
        std::thread::spawn(move || listen(from, &sender, delay, &state));
    }
}

/// Hears one side, as long as that one speaks.
fn listen(mut from: TcpStream, pieces: &mpsc::Sender<(Instant, Vec<u8>)>, delay: Duration, state: &State) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let wanted = count as u64;
        let before =
            state.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(wanted)));
        let allowed = before.unwrap_or_else(|left| left).min(wanted);
        state.passed.fetch_add(allowed, Ordering::SeqCst);
        let allowed = usize::try_from(allowed).expect("at most a buffer");
        if allowed > 0 && pieces.send((Instant::now() + delay, buffer[..allowed].to_vec())).is_err() {
            return;
        }
        if allowed < count && state.breaks.load(Ordering::SeqCst) {
            state.cut.store(true, Ordering::SeqCst);
            state.left.store(u64::MAX, Ordering::SeqCst);
            state.drop_connections();
            return;
        }
        if allowed < count {
            state.cut.store(true, Ordering::SeqCst);
            // Silence: what is said is swallowed, an end too, until the connection is broken off.
            while from.read(&mut buffer).is_ok_and(|count| count > 0) {}
            while state.left.load(Ordering::SeqCst) == 0 && !state.ended.load(Ordering::SeqCst) {
                pause(Duration::from_millis(2));
            }
            return;
        }
    }
}

/// Passes each piece on when its time has come.
fn pass_on(pieces: &mpsc::Receiver<(Instant, Vec<u8>)>, mut to: &TcpStream) {
    for (due, piece) in pieces {
        pause(due.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    // One that ended already cannot be ended.
    drop(to.shutdown(Shutdown::Write));
}
