//! The task that hears everything a process says, until its end, and buries it.

use super::breach::{Breach, Rule};
use super::child::{ChildProcess, told};
use super::inbox::{CallFault, Inbox};
use super::input::Input;
use super::program::HostLimits;
use crate::wire::{LONGEST_LINE, LineFault, Lines};
use rustix::process::Signal;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How much is read at a time, in bytes.
pub(super) const PIECE: usize = 64 * 1024;
/// How often memory and idleness are looked at.
const LOOKING: Duration = Duration::from_millis(200);
/// The longest line of the standard error that is kept together, in bytes.
const LONGEST_SAID: usize = 64 * 1024;
/// How long a process that closed its standard output has to end by itself.
const ENDING: Duration = Duration::from_millis(200);
/// What a process may have left in a pipe, in bytes: as much as one can be made to hold.
const MOST_LEFT: usize = 1 << 20;

/// Where a process writes to.
pub(super) enum Output {
    Pipe(pipe::Receiver),
    Memory(DuplexStream),
}

impl Output {
    /// One that says nothing any more.
    fn closed() -> Self {
        Self::Memory(tokio::io::duplex(1).0)
    }

    async fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.read(piece).await,
            Self::Memory(stream) => stream.read(piece).await,
        }
    }
}

/// What there is of a process; an extension of this one has an output only.
pub(super) struct Peer {
    pub(super) output: Output,
    pub(super) errors: Option<pipe::Receiver>,
    pub(super) child: Option<ChildProcess>,
}

/// What came of waiting for the process.
enum Heard {
    Output(usize),
    Errors(usize),
    Ended,
    Condemned,
    Stop,
    Look,
}

/// How the end of a process is asked for.
pub(super) struct End {
    /// Ends it at once, once it says why.
    pub(super) condemnation: watch::Receiver<Option<CallFault>>,
    /// Asks it to end, and leaves it time for that.
    pub(super) stopping: CancellationToken,
    /// Has the signal sent without waiting first.
    pub(super) hurrying: CancellationToken,
}

/// The task that hears everything.
pub(super) struct Attending {
    inbox: Arc<Inbox>,
    input: Input,
    peer: Peer,
    end: End,
    limits: HostLimits,
    lines: Lines,
    said: Lines,
}

impl Attending {
    pub(super) fn new(inbox: Arc<Inbox>, input: Input, peer: Peer, end: End, limits: HostLimits) -> Self {
        let (lines, said) = (Lines::new(LONGEST_LINE), Lines::new(LONGEST_SAID));
        Self { inbox, input, peer, end, limits, lines, said }
    }

    /// Hears the process until its end, and buries it.
    pub(super) async fn attend(mut self) {
        let fault = self.hear_all().await;
        // Nobody may ask it anything any more.
        self.end.stopping.cancel();
        self.input.close();
        // What comes after a broken rule is not heard: an answer there would count.
        if !matches!(fault, CallFault::Died(_)) {
            self.peer.output = Output::closed();
        }
        let status = self.bury().await;
        let fault = match (fault, status) {
            (CallFault::Died(breach), Some(how)) if breach.what.is_empty() => {
                let what = format!("it ended {how} before it answered");
                CallFault::Died(Breach { what, ..breach }.with_said(self.inbox.tail()))
            }
            (CallFault::Died(breach), _) => CallFault::Died(breach.with_said(self.inbox.tail())),
            (CallFault::Broken(breach), _) => CallFault::Broken(breach.with_said(self.inbox.tail())),
            (other, _) => other,
        };
        self.inbox.close(fault);
    }

    async fn hear_all(&mut self) -> CallFault {
        let mut piece = vec![0; PIECE];
        let mut said = vec![0; PIECE];
        let mut looking = tokio::time::interval(LOOKING);
        let mut deadline = None;
        loop {
            let heard = self.wait(&mut piece, &mut said, &mut looking, deadline).await;
            let outcome = match heard {
                Heard::Output(0) => return self.closed().await,
                Heard::Output(length) => self.hear(&piece[..length]).await,
                Heard::Errors(0) => {
                    self.peer.errors = None;
                    Ok(())
                }
                Heard::Errors(length) => {
                    self.hear_said(&said[..length]);
                    Ok(())
                }
                Heard::Ended => return CallFault::Died(Breach::new(Rule::Alive, "")),
                Heard::Condemned => return self.end.condemnation.borrow().clone().unwrap_or_else(CallFault::lost),
                Heard::Stop => self.end_further(&mut deadline),
                Heard::Look => self.look(),
            };
            if let Err(fault) = outcome {
                return fault;
            }
        }
    }

    async fn wait(
        &mut self,
        piece: &mut [u8],
        said: &mut [u8],
        looking: &mut tokio::time::Interval,
        ending: Option<Ending>,
    ) -> Heard {
        let Peer { output, errors, child } = &mut self.peer;
        let errors = async {
            match errors {
                Some(errors) => errors.read(said).await.unwrap_or(0),
                None => std::future::pending().await,
            }
        };
        let ended = async {
            match child {
                // Without a word on its end, the end of its output has to do.
                Some(child) if child.ended().await.is_ok() => {}
                _ => std::future::pending().await,
            }
        };
        let stop = async {
            match ending {
                None => self.end.stopping.cancelled().await,
                Some(ending) => tokio::time::sleep_until(ending.until).await,
            }
        };
        // None before the others: a flood of one kind must not hide the rest.
        tokio::select! {
            _ = self.end.condemnation.wait_for(Option::is_some) => Heard::Condemned,
            length = output.read(piece) => Heard::Output(length.unwrap_or(0)),
            length = errors => Heard::Errors(length),
            () = ended => Heard::Ended,
            () = stop => Heard::Stop,
            _ = looking.tick() => Heard::Look,
        }
    }

    async fn hear(&mut self, bytes: &[u8]) -> Result<(), CallFault> {
        self.lines.push(bytes);
        while let Some(line) = self.lines.next_line().map_err(too_long)? {
            self.inbox.heard(line).await?;
        }
        Ok(())
    }

    fn hear_said(&mut self, bytes: &[u8]) {
        self.said.push(bytes);
        loop {
            match self.said.next_line() {
                Ok(Some(line)) => self.inbox.said(line),
                Ok(None) => return,
                // Cut where it is too long; the rest is the next line.
                Err(LineFault { .. }) => {
                    let rest = self.said.rest().to_vec();
                    return self.inbox.said(&rest);
                }
            }
        }
    }

    /// The standard output is closed: most often the process is just ending.
    async fn closed(&mut self) -> CallFault {
        if let Some(child) = &self.peer.child
            && tokio::time::timeout(ENDING, child.ended()).await.is_err()
        {
            return CallFault::Died(Breach::new(Rule::Alive, "it closed its standard output and went on"));
        }
        let what = if self.peer.child.is_some() { "" } else { "it ended before it answered" };
        CallFault::Died(Breach::new(Rule::Alive, what))
    }

    /// The next step of an end that was asked for: no input any more, SIGTERM, SIGKILL.
    fn end_further(&mut self, ending: &mut Option<Ending>) -> Result<(), CallFault> {
        let until = Instant::now() + self.limits.end;
        self.input.close();
        let signalled = ending.as_ref().is_some_and(|ending| ending.signalled);
        match &self.peer.child {
            Some(child) if !signalled && (ending.is_some() || self.end.hurrying.is_cancelled()) => {
                if let Err(error) = child.signal(Signal::TERM) {
                    tracing::warn!(%error, "cannot signal an extension");
                }
                *ending = Some(Ending { until, signalled: true });
                Ok(())
            }
            Some(_) if signalled => {
                Err(CallFault::Died(Breach::new(Rule::Alive, "it did not end when it was asked to")))
            }
            Some(_) | None => {
                *ending = Some(Ending { until, signalled: false });
                Ok(())
            }
        }
    }

    fn look(&self) -> Result<(), CallFault> {
        match self.inbox.idle_since() {
            Some(since) if since.elapsed() >= self.limits.idle => self.end.stopping.cancel(),
            Some(_) => {}
            None => {
                let held = self.peer.child.as_ref().and_then(ChildProcess::memory);
                if let Some(held) = held.filter(|held| *held > self.limits.memory) {
                    let (held, most) = (held >> 20, self.limits.memory >> 20);
                    let what = format!("its process holds {held} MiB of memory; it may hold {most}");
                    return Err(CallFault::Broken(Breach::new(Rule::Memory, what)));
                }
            }
        }
        Ok(())
    }

    /// Kills what is left of the group, and hears what it had said before.
    async fn bury(&mut self) -> Option<String> {
        let child = self.peer.child.as_mut()?;
        let how = match child.bury().await {
            Ok(status) => Some(told(status)),
            Err(error) => {
                tracing::error!(%error, "an extension's process does not end");
                None
            }
        };
        self.hear_the_rest().await;
        how
    }

    /// What lies in the pipes. Their ends may still be held by a process that was sent away, and that goes on writing, so
    /// there is no waiting, and no more is read than what a pipe holds.
    async fn hear_the_rest(&mut self) {
        let mut piece = vec![0; PIECE];
        if let Some(errors) = self.peer.errors.take() {
            let mut left = MOST_LEFT;
            while let Some(length) = read_now(&errors, &mut piece, &mut left) {
                self.hear_said(&piece[..length]);
            }
            let rest = self.said.rest().to_vec();
            if !rest.is_empty() {
                self.inbox.said(&rest);
            }
        }
        let Output::Pipe(output) = std::mem::replace(&mut self.peer.output, Output::closed()) else { return };
        let mut left = MOST_LEFT;
        while let Some(length) = read_now(&output, &mut piece, &mut left) {
            // The process is gone already; there is nothing more to end.
            if self.hear(&piece[..length]).await.is_err() {
                return;
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Ending {
    until: Instant,
    signalled: bool,
}

fn too_long(LineFault { longest }: LineFault) -> CallFault {
    CallFault::Broken(Breach::new(Rule::Line, format!("it sent a line of more than {longest} bytes")))
}

fn read_now(stream: &impl AsFd, piece: &mut [u8], left: &mut usize) -> Option<usize> {
    let most = piece.len().min(*left);
    let length = rustix::io::read(stream, &mut piece[..most]).ok().filter(|length| *length > 0)?;
    *left -= length;
    Some(length)
}
