//! What the agent may still do, and nothing that commands may.

use super::failure::{Doing, Fault};
use super::{seccomp, sys};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::BpfProgram;

/// What an agent that is root inside needs: to start commands as any user, in any state of theirs to be able to end them,
/// to reach their files, and to take the last capability away from them (`SETPCAP`).
const OF_THE_AGENT: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::DAC_OVERRIDE);

/// Gives up everything but what the agent needs, for good, this process's descendants included.
pub(crate) fn give_up(is_root_inside: bool, host_network: bool, filters: &[BpfProgram; 2]) -> Result<(), Fault> {
    let keep = if is_root_inside { OF_THE_AGENT } else { CapabilitySet::empty() };
    shrink_bounding_set(keep)?;
    let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).doing("give up capabilities")?;
    rustix::thread::set_no_new_privs(true).doing("give up gaining privileges")?;
    if host_network && can_leave_abstract_sockets_alone() {
        sys::leave_abstract_sockets_alone().doing("leave the host's abstract sockets alone")?;
    }
    seccomp::apply(filters).doing("filter system calls")
}

/// Whether a sandbox on the host's network can be kept from the host's abstract sockets. They belong to the network though
/// they are not of it: a desktop's windows and its message bus are reached by them.
pub(crate) fn can_leave_abstract_sockets_alone() -> bool {
    sys::landlock_version() >= 6
}

/// Empties the set that a program of root's could take capabilities from, so that no command ever has one, whoever it runs
/// as. Not possible before the agent's own start, which takes the agent's from there.
pub(crate) fn leave_none_to_commands() -> Result<(), Fault> {
    let mut sets = rustix::thread::capabilities(None).doing("ask for capabilities")?;
    if !sets.effective.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    shrink_bounding_set(CapabilitySet::empty())?;
    sets.effective.remove(CapabilitySet::SETPCAP);
    sets.permitted.remove(CapabilitySet::SETPCAP);
    rustix::thread::set_capabilities(None, sets).doing("give up capabilities")
}

fn shrink_bounding_set(keep: CapabilitySet) -> Result<(), Fault> {
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if keep.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Beyond the last one that this kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error).doing("give up the right to regain capabilities"),
        }
    }
    Ok(())
}
