//! The sandbox's namespaces and its first process.

use super::failure::{Doing, Fault};
use super::folder::Folder;
use super::inside::{self, Inside};
use super::process::{self, ProcessName};
use super::record::Record;
use super::sys::{self, Cloned};
use super::uid_range;
use rustix::fd::OwnedFd;
use rustix::pipe::PipeFlags;
use rustix::process::Pid;
use std::fs::File;
use std::io::Write;

/// The sandbox's first process.
#[derive(Debug)]
pub(crate) struct Init {
    /// Its descriptor.
    pub(crate) process: OwnedFd,
    /// What hinders it from becoming the agent; ends without a word once it has.
    pub(crate) fault: File,
    /// Tells it that the supervisor lives, as long as it is open.
    _supervisor_lives: OwnedFd,
}

/// How ids inside belong to ids outside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Identities {
    /// A range of its own, beginning there.
    Range(u32),
    /// The user is the caller.
    Caller,
}

/// Clones the first process into namespaces of its own and lets it become the agent.
pub(crate) fn start(
    folder: &Folder,
    identities: Identities,
    host_network: bool,
    inside: impl FnOnce(OwnedFd, OwnedFd) -> Inside,
) -> Result<Init, Fault> {
    let (go, supervisor_lives) = pipe()?;
    let (fault, fault_writer) = pipe()?;
    let own_network = if host_network { 0 } else { libc::CLONE_NEWNET };
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | own_network;
    match sys::clone(flags).doing("make the sandbox's namespaces")? {
        Cloned::Child => {
            // Else it would never hear that the supervisor is gone.
            drop(supervisor_lives);
            inside::become_agent(inside(go, fault_writer))
        }
        Cloned::Parent(pid, process) => {
            let released = release(folder, pid, identities, &supervisor_lives);
            if let Err(fault) = released {
                end(&process)?;
                return Err(fault);
            }
            Ok(Init { process, fault: File::from(fault), _supervisor_lives: supervisor_lives })
        }
    }
}

/// Kills a first process, and with it everything in its namespaces, and reaps it.
pub(crate) fn end(process: &OwnedFd) -> Result<(), Fault> {
    use rustix::fd::AsFd;
    process::kill(process).doing("kill the sandbox's first process")?;
    let options = rustix::process::WaitIdOptions::EXITED;
    loop {
        match rustix::process::waitid(rustix::process::WaitId::PidFd(process.as_fd()), options) {
            Err(rustix::io::Errno::INTR) => {}
            // Reaped before.
            Ok(_) | Err(rustix::io::Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error).doing("wait for the sandbox's first process"),
        }
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Fault> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).doing("make a pipe")
}

/// Writes the process down, and only then lets it go on: so one that is not written down never does anything.
fn release(folder: &Folder, pid: Pid, identities: Identities, go: &OwnedFd) -> Result<(), Fault> {
    let name = ProcessName::of(pid).doing("look at the sandbox's first process")?;
    folder.record(&Record::Init(name)).doing("write the sandbox's first process down")?;
    map_identities(pid, identities)?;
    rustix::io::write(go, b"g").doing("start the sandbox's first process").map(drop)
}

/// Maps the ids of a process's new user namespace.
pub(crate) fn map_identities(pid: Pid, identities: Identities) -> Result<(), Fault> {
    let pid = pid.as_raw_pid();
    let set = |file: &str, text: String| {
        let path = format!("/proc/{pid}/{file}");
        // One write: the kernel takes a map whole or not at all.
        let written = File::options().write(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.doing(format!("set {file} of the sandbox"))
    };
    match identities {
        Identities::Range(first) => {
            let map = format!("0 {first} {}\n", uid_range::LENGTH);
            set("uid_map", map.clone())?;
            set("gid_map", map)
        }
        Identities::Caller => {
            let user = super::root_file_system::USER_ID;
            set("setgroups", "deny".to_owned())?;
            set("uid_map", format!("{user} {} 1\n", rustix::process::geteuid().as_raw()))?;
            set("gid_map", format!("{user} {} 1\n", rustix::process::getegid().as_raw()))
        }
    }
}
