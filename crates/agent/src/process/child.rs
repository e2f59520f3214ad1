//! Between fork and exec. The agent has other threads, so the child may only make system calls: no allocation, no
//! lock, no panic. Everything it needs was made before the fork.
#![allow(unsafe_code, reason = "fork and exec have no safe form")]

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CapabilitySet, Gid, Uid};

use super::plan::Plan;

/// Told to the parent when a step fails: the step and the system's error number.
pub(super) const REPORT_LENGTH: usize = 8;

/// The steps that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Step {
    /// Session, streams, cgroups, limits, identity.
    Prepare = 1,
    /// Entering the working directory.
    Directory = 2,
    /// Executing the program.
    Execute = 3,
}

/// A failed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) errno: i32,
}

impl Failure {
    fn new(step: Step) -> impl Fn(Errno) -> Self {
        move |errno| Self { step, errno: errno.raw_os_error() }
    }

    fn encode(self) -> [u8; REPORT_LENGTH] {
        let mut report = [0; REPORT_LENGTH];
        report[..4].copy_from_slice(&(self.step as u32).to_ne_bytes());
        report[4..].copy_from_slice(&self.errno.to_ne_bytes());
        report
    }

    pub(super) fn decode(report: [u8; REPORT_LENGTH]) -> Self {
        let [a, b, c, d, rest @ ..] = report;
        let step = match u32::from_ne_bytes([a, b, c, d]) {
            2 => Step::Directory,
            3 => Step::Execute,
            _ => Step::Prepare,
        };
        Self { step, errno: i32::from_ne_bytes(rest) }
    }
}

/// The child's standard streams. With a terminal all three are its slave.
pub(super) struct Streams {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Forks and executes the plan. The child writes a report to `failures` if it does not come to the program; else that
/// pipe just closes.
pub(super) fn fork(plan: &Plan, streams: &Streams, failures: &OwnedFd) -> io::Result<Pid> {
    let arguments = pointers(&plan.arguments);
    let environment = pointers(&plan.environment);
    // SAFETY: the child makes system calls only, on memory made above, and never returns from here.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let failure = run(plan, streams, &arguments, &environment);
            // Nobody else can be told if this fails.
            rustix::io::write(failures, &failure.encode()).ok();
            // SAFETY: ends this process without running anything of the parent's.
            unsafe { libc::_exit(127) }
        }
        pid => Pid::from_raw(pid).ok_or_else(|| io::Error::other("fork answered a negative number")),
    }
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

fn run(plan: &Plan, streams: &Streams, arguments: &[*const c_char], environment: &[*const c_char]) -> Failure {
    if let Err(errno) = prepare(plan, streams) {
        return Failure::new(Step::Prepare)(errno);
    }
    if let Err(errno) = enter(&plan.directories) {
        return Failure::new(Step::Directory)(errno);
    }
    Failure::new(Step::Execute)(execute(&plan.programs, arguments, environment))
}

fn prepare(plan: &Plan, streams: &Streams) -> rustix::io::Result<()> {
    rustix::process::setsid()?;
    // First, since an inherited descriptor may have one of the standard streams' numbers.
    join_cgroups(&plan.cgroups)?;
    rustix::stdio::dup2_stdin(&streams.stdin)?;
    rustix::stdio::dup2_stdout(&streams.stdout)?;
    rustix::stdio::dup2_stderr(&streams.stderr)?;
    if plan.terminal {
        rustix::process::ioctl_tiocsctty(&streams.stdin)?;
    }
    prefer_as_victim();
    plan.limits.apply()?;
    reset_signals()?;
    if plan.no_tracing {
        give_up_tracing()?;
    }
    if let Some(identity) = &plan.identity {
        take_identity(identity.uid, identity.gid, &identity.groups)?;
    }
    if plan.no_new_privileges {
        rustix::thread::set_no_new_privs(true)?;
    }
    Ok(())
}

/// The limits of commands are useless for a command outside their cgroup, so one that cannot join does not run.
fn join_cgroups(files: &[i32]) -> rustix::io::Result<()> {
    for file in files {
        // SAFETY: the agent keeps these descriptors open for as long as it lives.
        let file = unsafe { BorrowedFd::borrow_raw(*file) };
        rustix::io::write(file, b"0")?;
    }
    Ok(())
}

/// When memory runs out, a command goes before the agent. Not allowed everywhere, and nothing depends on it.
fn prefer_as_victim() {
    if let Ok(file) = rustix::fs::open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        rustix::io::write(file, b"500").ok();
    }
}

/// With this capability, the sandbox's root could look into the agent. Its own processes root can trace without.
fn give_up_tracing() -> rustix::io::Result<()> {
    match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::SYS_PTRACE) {
        // Who may not change the set has no capabilities to begin with.
        Err(Errno::PERM) => Ok(()),
        other => other,
    }
}

/// What the agent or its starter ignores or blocks is not the command's business. By the plain system calls: libc keeps
/// two signals to itself.
fn reset_signals() -> rustix::io::Result<()> {
    const MASK_LENGTH: usize = 8;
    // A default handler without flags or a mask, and an empty mask: all of them zeros.
    let zeros = [0_u64; 4];
    for signal in 1..=64 {
        // SAFETY: the kernel reads its sigaction, which is no longer than `zeros`. SIGKILL and SIGSTOP are refused.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, zeros.as_ptr(), ptr::null_mut::<u64>(), MASK_LENGTH) };
    }
    let none = ptr::null_mut::<u64>();
    // SAFETY: the kernel reads a mask of eight bytes.
    match unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, zeros.as_ptr(), none, MASK_LENGTH) } {
        0 => Ok(()),
        _ => Err(Errno::INVAL),
    }
}

/// The plain system calls: libc's would first gather all threads, which this process no longer has.
fn take_identity(uid: u32, gid: u32, groups: &[u32]) -> rustix::io::Result<()> {
    crate::identity::set_groups(groups).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::PERM))?;
    let (gid, uid) = (Gid::from_raw(gid), Uid::from_raw(uid));
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

fn enter(directories: &[CString]) -> rustix::io::Result<()> {
    let mut result = Err(Errno::NOENT);
    for directory in directories {
        result = rustix::process::chdir(directory.as_c_str());
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Tries the programs in turn. A program that exists but cannot be executed says more than one that does not exist.
fn execute(programs: &[CString], arguments: &[*const c_char], environment: &[*const c_char]) -> Errno {
    let mut refused = None;
    for program in programs {
        match execute_one(program, arguments, environment) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => refused = Some(Errno::ACCESS),
            other => return other,
        }
    }
    refused.unwrap_or(Errno::NOENT)
}

fn execute_one(program: &CStr, arguments: &[*const c_char], environment: &[*const c_char]) -> Errno {
    // SAFETY: the program is a C string, and both lists end with a null pointer and point to C strings that live on.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::NOEXEC)
}

/// The raw number, for the parent.
pub(super) fn number(pid: Pid) -> u32 {
    pid.as_raw_pid().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_the_pipe() {
        for step in [Step::Prepare, Step::Directory, Step::Execute] {
            let failure = Failure { step, errno: libc::EACCES };
            assert_eq!(Failure::decode(failure.encode()), failure);
        }
    }
}
