//! The sandbox's first process, from its clone to the moment it becomes the agent.

use super::entry::AGENT_ARGUMENT;
use super::failure::{Doing, Fault};
use super::{privileges, root_file_system, sys};
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::FdFlags;
use rustix::process::Signal;
use rustix::thread::{Gid, Uid};
use rustix::time::Timespec;
use seccompiler::BpfProgram;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};

/// What the first process needs, all of it opened before the clone.
pub(crate) struct Inside {
    /// Lets it go on, and then ends with the supervisor.
    pub(crate) go: OwnedFd,
    /// Takes what hinders it.
    pub(crate) fault: OwnedFd,
    /// Takes what the agent complains about.
    pub(crate) log: OwnedFd,
    /// What it is to see as `/`.
    pub(crate) plan: root_file_system::Plan,
    /// System calls that are refused.
    pub(crate) filters: [BpfProgram; 2],
    /// The agent's program.
    pub(crate) program: OwnedFd,
    /// The agent's options.
    pub(crate) options: OwnedFd,
    /// What the options speak of.
    pub(crate) inherited: Vec<OwnedFd>,
}

/// What hindered the first process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InsideFault {
    /// In words, with its cause.
    pub(crate) message: String,
    /// Whether the kernel refused it, as it does where user namespaces are restricted.
    pub(crate) refused: bool,
}

/// Becomes the agent, or says why not, and ends.
pub(crate) fn become_agent(inside: Inside) -> ! {
    let mut channel = match inside.fault.try_clone() {
        Ok(channel) => File::from(channel),
        Err(_) => std::process::exit(1),
    };
    let Err(fault) = try_become_agent(inside);
    let source = std::error::Error::source(&fault).and_then(|source| source.downcast_ref::<io::Error>());
    let refused = source.is_some_and(|source| source.kind() == io::ErrorKind::PermissionDenied);
    let cause = source.map(ToString::to_string).unwrap_or_default();
    let told = serde_json::to_vec(&InsideFault { message: format!("{fault}: {cause}"), refused })
        .map_err(io::Error::from)
        .and_then(|text| channel.write_all(&text));
    // When nobody listens the supervisor is gone, and so will this process be.
    std::process::exit(if told.is_ok() { 1 } else { 2 })
}

fn try_become_agent(inside: Inside) -> Result<Infallible, Fault> {
    wait_for_go(&inside.go)?;
    if inside.plan.has_root {
        become_root()?;
    }
    die_with_supervisor(&inside.go)?;
    sys::unblock_all_signals().doing("let signals through")?;
    rustix::system::sethostname(inside.plan.hostname.as_bytes()).doing("set the host name")?;
    if !inside.plan.host_network {
        sys::bring_loopback_up().doing("bring the loopback interface up")?;
    }
    root_file_system::build(&inside.plan)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    privileges::give_up(inside.plan.has_root, inside.plan.host_network, &inside.filters)?;
    for descriptor in inside.inherited.iter().chain([&inside.options]) {
        rustix::io::fcntl_setfd(descriptor, FdFlags::empty()).doing("hand a descriptor to the agent")?;
    }
    rustix::stdio::dup2_stderr(&inside.log).doing("give the agent a log")?;
    let number = inside.options.as_raw_fd().to_string();
    let words = ["sandboxer", AGENT_ARGUMENT, &number].map(CString::new);
    let words: Vec<CString> = words.into_iter().collect::<Result<_, _>>().doing("name the agent")?;
    let words: Vec<_> = words.iter().map(CString::as_c_str).collect();
    Err(sys::execute(inside.program.as_fd(), &words)).doing("start the agent")
}

/// Waits until its ids are mapped. Without the supervisor they never will be.
fn wait_for_go(go: &OwnedFd) -> Result<(), Fault> {
    let mut byte = [0];
    match rustix::io::read(go, &mut byte) {
        Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)).doing("go on without the supervisor"),
        other => other.map(drop).doing("hear from the supervisor"),
    }
}

/// Takes on the ids that have every right inside.
pub(crate) fn become_root() -> Result<(), Fault> {
    rustix::thread::set_thread_groups(&[]).doing("leave the caller's groups")?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).doing("become root's group inside")?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).doing("become root inside")
}

/// The kernel forgets the wish at every change of ids, so it comes after the last; and a supervisor that died before it
/// is no longer noticed by the kernel, so the pipe is asked too.
fn die_with_supervisor(go: &OwnedFd) -> Result<(), Fault> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).doing("die with the supervisor")?;
    let mut polled = [PollFd::new(go, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match rustix::event::poll(&mut polled, Some(&now)) {
        Ok(0) => Ok(()),
        Ok(_) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)).doing("go on without the supervisor"),
        Err(error) => Err(error).doing("ask for the supervisor"),
    }
}
