//! System calls that no process of a sandbox may make: a list of what is refused, on top of having no capability.
//!
//! Two filters, because two answers are needed. `clone3` takes its flags from memory, which a filter cannot read, so it is
//! answered with `ENOSYS`: the C library then falls back to `clone`, whose flags can be checked. The rest is answered
//! with `EPERM`. `ptrace` stays allowed, for debuggers: it reaches only what the same user could signal anyway, never
//! the agent, which is not dumpable.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};
use std::collections::BTreeMap;
use std::io;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: (TargetArch, u32) = (TargetArch::x86_64, 0xC000_003E);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: (TargetArch, u32) = (TargetArch::aarch64, 0xC000_00B7);

const REFUSED: u32 = libc::EPERM.cast_unsigned();
const NOT_THERE: u32 = libc::ENOSYS.cast_unsigned();
/// Numbers from here on are the x32 calls of x86-64: the same calls by other numbers.
const X32: u32 = 0x4000_0000;

/// Refused whatever their arguments.
const ALWAYS: &[libc::c_long] = &[
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Large parts of the kernel that are reached by few programs and broken often.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // Keys belong to users, not to namespaces.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Files by handle reach past the root directory.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // The machine itself.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_syslog,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_vhangup,
    libc::SYS_fanotify_init,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    /* open_tree_attr */ 467,
];

/// `CLONE_NEWTIME` lies where `clone` has the exit signal, so only `unshare` knows it.
const NEW_TIME: u64 = 0x80;

const NEW_NAMESPACE: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Address families that stay open. The others are rarely used code, or, as vsock, know nothing of network namespaces.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Requests that put characters into a terminal's input, as if its user had typed them.
const TYPING_REQUESTS: [u64; 2] = [0x5412, 0x541C];

/// Both filters, to be put in force in this order.
pub(crate) fn filters() -> io::Result<[BpfProgram; 2]> {
    let allow = SeccompAction::Allow;
    let filter = SeccompFilter::new(rules()?, allow, SeccompAction::Errno(REFUSED), ARCHITECTURE.0);
    let refusals = filter.and_then(BpfProgram::try_from).map_err(io::Error::other)?;
    Ok([refusals, absent_calls()])
}

/// Puts the filters in force for this process and all that follow from it.
pub(crate) fn apply(filters: &[BpfProgram; 2]) -> io::Result<()> {
    filters.iter().try_for_each(|filter| seccompiler::apply_filter(filter).map_err(io::Error::other))
}

fn rules() -> io::Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    let namespaces = NEW_NAMESPACE.map(|flag| u64::from(flag.cast_unsigned()));
    let has_flag = |flag: u64| rule([condition(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?]);
    let clone: io::Result<Vec<_>> = namespaces.into_iter().map(has_flag).collect();
    let unshare: io::Result<Vec<_>> = namespaces.into_iter().chain([NEW_TIME]).map(has_flag).collect();
    rules.insert(libc::SYS_clone, clone?);
    rules.insert(libc::SYS_unshare, unshare?);
    let typing =
        TYPING_REQUESTS.map(|request| rule([condition(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request)?]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<io::Result<_>>()?);
    let other_family: io::Result<Vec<_>> = FAMILIES
        .iter()
        .map(|family| condition(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(family.cast_unsigned())))
        .collect();
    rules.insert(libc::SYS_socket, vec![rule(other_family?)?]);
    rules.insert(libc::SYS_prlimit64, vec![limits_of_others()?]);
    Ok(rules)
}

/// Where commands have the agent's user id they could set its limits, and so stop it from working: by its process id, or
/// by that of any of its threads. So everybody may set their own limits only.
fn limits_of_others() -> io::Result<SeccompRule> {
    rule([
        condition(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0)?,
        condition(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?,
    ])
}

fn condition(argument: u8, length: SeccompCmpArgLen, test: SeccompCmpOp, value: u64) -> io::Result<SeccompCondition> {
    SeccompCondition::new(argument, length, test, value).map_err(io::Error::other)
}

fn rule(conditions: impl Into<Vec<SeccompCondition>>) -> io::Result<SeccompRule> {
    SeccompRule::new(conditions.into()).map_err(io::Error::other)
}

/// Answers `clone3` and, on x86-64, all x32 calls as a kernel would that does not have them; kills what speaks another
/// architecture's language. Written by hand because a range of numbers is no rule.
fn absent_calls() -> BpfProgram {
    const LOAD: u16 = 0x20;
    const IF_EQUAL: u16 = 0x15;
    const IF_AT_LEAST: u16 = 0x35;
    const ANSWER: u16 = 0x06;
    const KILL: u32 = 0x8000_0000;
    const ALLOW: u32 = 0x7FFF_0000;
    const ERROR: u32 = 0x0005_0000;
    let statement = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    let branch = |code, k, jt, jf| sock_filter { code, jt, jf, k };
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap_or(u32::MAX);
    vec![
        statement(LOAD, 4),
        branch(IF_EQUAL, ARCHITECTURE.1, 1, 0),
        statement(ANSWER, KILL),
        statement(LOAD, 0),
        branch(IF_AT_LEAST, X32, 1, 0),
        branch(IF_EQUAL, clone3, 0, 1),
        statement(ANSWER, ERROR | NOT_THERE),
        statement(ANSWER, ALLOW),
    ]
}
