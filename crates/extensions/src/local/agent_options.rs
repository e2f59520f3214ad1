//! What the agent is told when it starts.

use super::handover::Specification;
use super::root_file_system::USER;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::MemfdFlags;
use sandboxer_agent::{CommandLimits, Listen, Options};
use std::fs::File;
use std::io::{self, Seek, Write};

/// Where the host hands crashes to a program of its own, outside and as root, no other limit keeps the kernel from it.
const NO_CORE_DUMP: u64 = 1;

/// Writes the options into memory that a descriptor stands for. All descriptors keep their numbers in the agent.
pub(crate) fn write(
    specification: &Specification,
    socket: &OwnedFd,
    joins: &[OwnedFd],
    processes_per_user: Option<u64>,
) -> io::Result<OwnedFd> {
    let mut options = Options::new(Listen::InheritedFd(socket.as_raw_fd()), USER);
    options.init = true;
    options.commands_cgroup_fds = joins.iter().map(AsRawFd::as_raw_fd).collect();
    options.command_rlimits =
        CommandLimits { nproc: processes_per_user, core: Some(NO_CORE_DUMP), ..CommandLimits::default() };
    options.workdir = Some(specification.workdir.clone());
    options.environment.clone_from(&specification.environment);
    let mut file = File::from(rustix::fs::memfd_create(c"agent-options", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(&options)?)?;
    file.rewind()?;
    Ok(file.into())
}
