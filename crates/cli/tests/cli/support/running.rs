//! A process of a test, and what became of it.

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sandboxer_machinery::{ends_within, until};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// No command of a test takes that long.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of a process.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The exit status, or 1000 + N for signal N: not what a shell would say, which a program can say as well.
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("not JSON: {error}: {self:?}"))
    }

    /// Panics unless the process ended with 0.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        self.ended_with(0)
    }

    /// Panics unless the process ended with `status`.
    #[track_caller]
    pub(crate) fn ended_with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout: {}\nstderr: {}", self.text(), self.stderr);
        self
    }
}

/// A process that was started, with its outputs being read.
pub(crate) struct Running {
    child: Child,
    process: OwnedFd,
    stdout: Collected,
    stderr: Collected,
}

impl Running {
    /// Starts it, and hands it `input`; with none, its standard input is empty.
    pub(crate) fn start(mut command: Command, input: Option<Vec<u8>>) -> Self {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child =
            command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let pid = Pid::from_child(&child);
        let process = pidfd_open(pid, PidfdFlags::empty()).expect("a child that is not reaped");
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // A command that does not read all of it is no fault of the test's.
            std::thread::spawn(move || stdin.write_all(&input).is_ok());
        }
        let stdout = Collected::from(child.stdout.take().expect("piped"));
        let stderr = Collected::from(child.stderr.take().expect("piped"));
        Self { child, process, stdout, stderr }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.process, signal).expect("a child that is not reaped");
    }

    /// Waits until it has said that on its standard output.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        until(text, || self.stdout.so_far().contains(text).then_some(()));
    }

    /// What it has said on its standard output so far.
    pub(crate) fn said(&self) -> String {
        self.stdout.so_far()
    }

    /// Whether it ends by itself within that time.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        ends_within(&self.process, limit)
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Outcome {
        let ended = self.ends_within(PATIENCE);
        if !ended {
            self.signal(Signal::KILL);
        }
        let status = self.child.wait().expect("a child");
        let outcome = Outcome {
            status: status.code().or_else(|| status.signal().map(|number| 1000 + number)).expect("one of them"),
            stdout: self.stdout.to_the_end(),
            stderr: String::from_utf8_lossy(&self.stderr.to_the_end()).into_owned(),
        };
        assert!(ended, "it did not end: {outcome:?}");
        outcome
    }
}

/// What somebody writes, as far as it was written.
pub(crate) struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Collected {
    /// Reads on a thread of its own.
    pub(crate) fn from(mut stream: impl Read + Send + 'static) -> Self {
        let (sender, end) = channel();
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let collected = bytes.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            // A terminal ends with an error.
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                collected.lock().expect("nobody panics").extend_from_slice(&buffer[..count]);
            }
            sender.send(())
        });
        Self { bytes, end }
    }

    /// What was written so far.
    pub(crate) fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("nobody panics")).into_owned()
    }

    fn to_the_end(&self) -> Vec<u8> {
        self.end.recv_timeout(PATIENCE).expect("nobody else holds it");
        std::mem::take(&mut self.bytes.lock().expect("nobody panics"))
    }
}
