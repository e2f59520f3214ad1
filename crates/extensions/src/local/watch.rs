//! What a supervisor waits for: the sandbox's end, whatever brings it.

use super::agent_log::AgentLog;
use super::control::{Ended, Request, Requester, Said};
use super::failure::{Doing, Fault};
use super::folder::Folder;
use super::handover::Answer;
use super::namespaces::Init;
use super::process::ProcessName;
use super::supervisor::not_made;
use super::sys;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

/// More than this many connections at once make no sense; further ones wait.
const MOST_REQUESTERS: usize = 32;
const NANOSECONDS: u64 = 1_000_000_000;

/// Why a sandbox ends.
#[derive(Debug)]
pub(crate) enum End {
    /// Somebody asked for it.
    Asked,
    /// Its lease ran out.
    Expired,
    /// The process it was made for is gone.
    Abandoned,
    /// Its first process ended.
    Ended,
    /// The supervisor was told to end.
    Signalled,
    /// It never came to be.
    NotMade(Box<Failure>),
}

/// Everything that is waited for.
pub(crate) struct Watch {
    control: UnixListener,
    timer: OwnedFd,
    signals: OwnedFd,
    /// `None` when there is none, or when it is gone already.
    tether: Option<OwnedFd>,
    abandoned: bool,
    log: AgentLog,
    requesters: Vec<Requester>,
    ending: Vec<Requester>,
}

impl Watch {
    /// Begins to watch: from here on a signal to end no longer kills this process.
    pub(crate) fn new(
        control: UnixListener,
        log: AgentLog,
        deadline: u64,
        tether: Option<ProcessName>,
    ) -> Result<Self, Fault> {
        control.set_nonblocking(true).doing("listen to requests")?;
        let signals = sys::block_ending_signals().doing("watch for signals")?;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC);
        let timer = timer.doing("make the lease's timer")?;
        set_timer(&timer, deadline)?;
        let opened = tether.map(ProcessName::open).transpose().doing("watch the process it is for")?;
        let abandoned = matches!(opened, Some(None));
        let tether = opened.flatten();
        Ok(Self { control, timer, signals, tether, abandoned, log, requesters: Vec::new(), ending: Vec::new() })
    }

    /// Waits until the sandbox has to end. Answers the starter once it is known whether the agent runs.
    pub(crate) fn until_end(&mut self, init: &Init, folder: &Folder, starter: &UnixStream) -> Result<End, Fault> {
        let mut starting = Some(&init.fault);
        if self.abandoned {
            return Ok(End::NotMade(Box::new(abandoned())));
        }
        loop {
            let ready = self.wait(init, starting.is_some())?;
            if let Some(mut fault) = starting.filter(|_| ready.fault) {
                let mut said = Vec::new();
                fault.read_to_end(&mut said).doing("hear from the sandbox's first process")?;
                if !said.is_empty() {
                    return Ok(End::NotMade(Box::new(not_made(&said))));
                }
                answer(starter, &Answer::Running);
                starting = None;
            }
            if ready.log {
                self.log.keep(folder).doing("keep the agent's log")?;
            }
            if let Some(end) = self.react(&ready)? {
                return Ok(if starting.is_some() { End::NotMade(Box::new(self.ended_early(&end))) } else { end });
            }
        }
    }

    fn wait(&self, init: &Init, starting: bool) -> Result<Ready, Fault> {
        let mut polled = vec![
            PollFd::new(&init.process, PollFlags::IN),
            PollFd::new(&self.timer, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        let optional =
            [starting.then(|| init.fault.as_fd()), self.tether.as_ref().map(AsFd::as_fd), self.log.descriptor()];
        let listens = self.requesters.len() < MOST_REQUESTERS;
        let rest = optional.into_iter().flatten().chain(listens.then(|| self.control.as_fd()));
        polled.extend(rest.map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN)));
        polled.extend(self.requesters.iter().map(|requester| PollFd::new(requester, PollFlags::IN)));
        loop {
            match rustix::event::poll(&mut polled, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).doing("wait"),
            }
        }
        let mut results = polled.iter().map(|descriptor| !descriptor.revents().is_empty());
        let mut next = |there: bool| there && results.next().unwrap_or(false);
        Ok(Ready {
            init: next(true),
            timer: next(true),
            signals: next(true),
            fault: next(starting),
            tether: next(self.tether.is_some()),
            log: next(self.log.descriptor().is_some()),
            control: next(listens),
            requesters: results.collect(),
        })
    }

    fn react(&mut self, ready: &Ready) -> Result<Option<End>, Fault> {
        self.hear_requesters(ready)?;
        if !self.ending.is_empty() {
            return Ok(Some(End::Asked));
        }
        if ready.control
            && let Some(requester) = Requester::accept(&self.control).doing("accept a request")?
        {
            self.requesters.push(requester);
        }
        Ok(match ready {
            Ready { init: true, .. } => Some(End::Ended),
            Ready { tether: true, .. } => Some(End::Abandoned),
            Ready { signals: true, .. } => Some(End::Signalled),
            Ready { timer: true, .. } if has_fired(&self.timer)? => Some(End::Expired),
            _ => None,
        })
    }

    fn hear_requesters(&mut self, ready: &Ready) -> Result<(), Fault> {
        let mut kept = Vec::new();
        for (place, mut requester) in std::mem::take(&mut self.requesters).into_iter().enumerate() {
            let said = if ready.requesters.get(place) == Some(&true) { requester.hear() } else { Said::Nothing };
            match said {
                Said::Nothing => kept.push(requester),
                Said::Request(Request::End) => self.ending.push(requester),
                Said::Request(Request::Lease(deadline)) => {
                    set_timer(&self.timer, deadline)?;
                    // Closed after the answer, which is how the other side knows that it is complete.
                    requester.confirm();
                }
                Said::Gone => {}
            }
        }
        self.requesters = kept;
        Ok(())
    }

    fn ended_early(&self, end: &End) -> Failure {
        match end {
            End::Abandoned => abandoned(),
            End::Expired => Failure::new(ErrorKind::Deadline, "the lease ran out while the sandbox was made"),
            End::Asked => Failure::new(ErrorKind::Cancelled, "the sandbox was torn down while it was made"),
            End::Signalled => Failure::new(ErrorKind::Cancelled, "the supervisor was told to end"),
            End::Ended | End::NotMade(_) => {
                let failure = Failure::new(ErrorKind::Internal, "the sandbox's first process ended early");
                if self.log.tail().is_empty() { failure } else { failure.with_hint(self.log.tail()) }
            }
        }
    }

    /// Tells everybody who asked for the end what was removed. Those that no longer listen look for themselves.
    pub(crate) fn report(&mut self, ended: &Ended) {
        for requester in &mut self.ending {
            if let Err(error) = requester.report(ended) {
                tracing::debug!(%error, "a requester no longer listens");
            }
        }
    }
}

/// What is ready to be looked at.
struct Ready {
    init: bool,
    timer: bool,
    signals: bool,
    fault: bool,
    tether: bool,
    log: bool,
    control: bool,
    requesters: Vec<bool>,
}

/// Tells the starter. One that is gone already will find the sandbox by its folder.
pub(crate) fn answer(mut starter: &UnixStream, answer: &Answer) {
    let sent = serde_json::to_vec(answer).map_err(std::io::Error::from).and_then(|text| {
        starter.write_all(&text)?;
        starter.shutdown(std::net::Shutdown::Both)
    });
    if let Err(error) = sent {
        tracing::debug!(%error, "the starter no longer listens");
    }
}

fn abandoned() -> Failure {
    Failure::new(ErrorKind::Cancelled, "the process that the sandbox is for has ended").with_residue(Residue::None)
}

fn set_timer(timer: &OwnedFd, deadline: u64) -> Result<(), Fault> {
    // Zero would mean never.
    let deadline = deadline.max(1);
    let at = Timespec {
        tv_sec: i64::try_from(deadline / NANOSECONDS).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(deadline % NANOSECONDS).unwrap_or(0),
    };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
    rustix::time::timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &once).doing("set the lease's timer").map(drop)
}

/// Asked again because the lease may have been moved since the timer was looked at.
fn has_fired(timer: &OwnedFd) -> Result<bool, Fault> {
    let left = rustix::time::timerfd_gettime(timer).doing("read the lease's timer")?.it_value;
    Ok(left.tv_sec == 0 && left.tv_nsec == 0)
}
