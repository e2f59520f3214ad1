//! Limits on a sandbox's commands, through control groups of either version, or none.
//!
//! Only the commands are in them. The agent stays in the supervisor's own group, outside their limit on processes: a fork
//! bomb must not keep it from working.

mod hierarchies;
mod version_1;
mod version_2;

use super::failure::{Doing, Fault};
use hierarchies::Hierarchies;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::time::Timespec;
use sandboxer_types::Resources;
use std::io;
use std::path::{Path, PathBuf};

/// One limit: the controller that enforces it, and the files to write, in this order. Those marked so may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    controller: Controller,
    files: Vec<(&'static str, String, Presence)>,
}

/// Whether a file is there with every kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Always,
    /// Only where swap is accounted for.
    WithSwap,
}

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controller {
    Cpu,
    Memory,
    Pids,
}

impl Controller {
    /// Its name in the kernel's files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }

    /// Its name in a profile's `resources`.
    const fn key(self) -> &'static str {
        match self {
            Self::Cpu => "cpus",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }
}

fn asked_for(resources: &Resources) -> Vec<Controller> {
    let asked = [
        (Controller::Cpu, resources.cpus.is_some()),
        (Controller::Memory, resources.memory.is_some()),
        (Controller::Pids, resources.pids.is_some()),
    ];
    asked.into_iter().filter(|(_, asked)| *asked).map(|(controller, _)| controller).collect()
}

/// A control group of one sandbox, not yet made.
#[derive(Debug, Clone)]
struct Group {
    /// The group below which those of sand-boxer are.
    base: PathBuf,
    /// Names from there to the sandbox's own group.
    names: [String; 3],
    /// What it enforces.
    limits: Vec<Limit>,
    /// Whether controllers must be switched on for each group by its parent.
    delegated: bool,
}

impl Group {
    fn path(&self) -> PathBuf {
        self.names.iter().fold(self.base.clone(), |path, name| path.join(name))
    }
}

/// The control groups of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    groups: Vec<Group>,
    unenforced: Vec<String>,
    processes_per_user: Option<u64>,
}

impl Cgroups {
    /// Decides which groups enforce what. Makes nothing.
    pub(crate) fn plan(resources: &Resources, owner: &str, id: &str) -> Self {
        let asked = asked_for(resources);
        if asked.is_empty() {
            return Self::default();
        }
        let names = ["sandboxer", owner, id].map(str::to_owned);
        let mut cgroups = Self::default();
        let hierarchies = Hierarchies::of_this_process().unwrap_or_default();
        let mut rest = Vec::new();
        for controller in asked {
            match version_1::group(&hierarchies, controller, resources, &names) {
                Some(group) => cgroups.groups.push(group),
                None => rest.push(controller),
            }
        }
        match version_2::group(&hierarchies, &rest, resources, &names) {
            Some(group) => cgroups.groups.push(group),
            None => rest.iter().for_each(|controller| cgroups.cannot_enforce(*controller, resources, "not writable")),
        }
        cgroups
    }

    /// A limit on processes can still be set for the user that the commands run as.
    fn cannot_enforce(&mut self, controller: Controller, resources: &Resources, why: &str) {
        if controller == Controller::Pids {
            self.processes_per_user = resources.pids;
        } else {
            let (key, name) = (controller.key(), controller.name());
            self.unenforced.push(format!("`resources.{key}` is not in force: the cgroup controller `{name}` is {why}"));
        }
    }

    /// The groups' folders.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.groups.iter().map(Group::path).collect()
    }

    /// What was asked for and is not in force, each in a sentence.
    pub(crate) fn unenforced(&self) -> &[String] {
        &self.unenforced
    }

    /// The limit to set on the processes of each user instead.
    pub(crate) fn processes_per_user(&self) -> Option<u64> {
        self.processes_per_user
    }

    /// Makes the groups and opens what a command must write to in order to join them. A descriptor keeps the rights of who
    /// opened it, so the agent can use it though it could not have opened it.
    pub(crate) fn make(&mut self, resources: &Resources) -> io::Result<Vec<OwnedFd>> {
        let mut joins = Vec::new();
        let mut made = Vec::new();
        // Kept whole until all is decided: whatever happens in the middle, what may be there is known.
        for group in self.groups.clone() {
            match make_group(&group) {
                Ok(join) => {
                    joins.push(join);
                    made.push(group);
                }
                Err(error) if is_refusal(&error) => {
                    Self::remove(&group.path()).map_err(io::Error::other)?;
                    for limit in &group.limits {
                        self.cannot_enforce(limit.controller, resources, &format!("not usable ({error})"));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.groups = made;
        Ok(joins)
    }

    /// Removes a group, and those above it when they were the last's. Its processes must be gone.
    pub(crate) fn remove(path: &Path) -> Result<(), Fault> {
        remove_empty(path).doing(format!("remove the cgroup {}", path.display()))?;
        for parent in path.ancestors().skip(1).take(2) {
            match rustix::fs::rmdir(parent) {
                Ok(()) | Err(Errno::NOENT) => {}
                // Another sandbox is in it.
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// The processes in a group. One that is not there has none.
    pub(crate) fn processes(path: &Path) -> io::Result<Vec<i32>> {
        match std::fs::read_to_string(path.join("cgroup.procs")) {
            Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn is_refusal(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::NotFound];
    kinds.contains(&error.kind()) || matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EOPNOTSUPP | libc::EINVAL))
}

fn make_group(group: &Group) -> io::Result<OwnedFd> {
    make_folders(group)?;
    let path = group.path();
    for (name, value, presence) in group.limits.iter().flat_map(|limit| &limit.files) {
        match std::fs::write(path.join(name), value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && *presence == Presence::WithSwap => {}
            // Opened for writing by creation where it is missing, which no cgroup allows.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && *presence == Presence::WithSwap => {}
            other => other?,
        }
    }
    // Version 1 can move a single thread, which is all that a new command has, without the lock that every fork of the
    // machine passes through; taking that lock costs up to several milliseconds. Version 2 moves whole processes only.
    let join = if group.delegated { "cgroup.procs" } else { "tasks" };
    Ok(rustix::fs::open(path.join(join), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Another sandbox's end may remove the groups above while they are still empty, so this tries again.
fn make_folders(group: &Group) -> io::Result<()> {
    let mut outcome = Ok(());
    for _ in 0..16 {
        outcome = try_make_folders(group);
        match &outcome {
            Err(error) if error.kind() == io::ErrorKind::NotFound && group.base.exists() => {}
            _ => return outcome,
        }
    }
    outcome
}

fn try_make_folders(group: &Group) -> io::Result<()> {
    let mut path = group.base.clone();
    for name in &group.names {
        if group.delegated {
            version_2::switch_on(&path, &group.limits)?;
        }
        path.push(name);
        match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Processes that have just died may keep their group busy for a moment, and nothing tells when it passes.
fn remove_empty(path: &Path) -> io::Result<()> {
    let mut pause_microseconds = 50;
    loop {
        match rustix::fs::rmdir(path) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) if pause_microseconds < 500_000 => {
                let pause = Timespec { tv_sec: 0, tv_nsec: pause_microseconds * 1000 };
                rustix::event::poll(&mut [], Some(&pause))?;
                pause_microseconds *= 2;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
