//! System calls that have no safe wrapper elsewhere. Nothing here decides anything.
#![allow(unsafe_code, reason = "the system calls have no safe wrapper in rustix")]

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::CStr;
use std::io;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Closes every descriptor from `first` on. Only for a process that just started and owns none of them.
pub(crate) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called before any descriptor from `first` on was opened here, so nobody relies on one.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Which side of a fork this is.
pub(crate) enum Forked {
    /// The old process.
    Parent,
    /// The new one.
    Child,
}

/// Forks a single-threaded process.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: the process has one thread, so the child may do whatever the parent could.
    let pid = check(libc::c_long::from(unsafe { libc::fork() }))?;
    Ok(if pid == 0 { Forked::Child } else { Forked::Parent })
}

/// Which side of a clone this is.
pub(crate) enum Cloned {
    /// The old process, with the new one's id and descriptor.
    Parent(Pid, OwnedFd),
    /// The new one.
    Child,
}

/// Clones a single-threaded process into new namespaces.
pub(crate) fn clone(flags: libc::c_int) -> io::Result<Cloned> {
    let mut pidfd: libc::c_int = -1;
    let arguments = libc::clone_args {
        flags: u64::from((flags | libc::CLONE_PIDFD).cast_unsigned()),
        pidfd: (&raw mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    // SAFETY: without CLONE_VM the child has memory of its own, as after fork; the process has one thread, and the
    // arguments outlive the call.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of_val(&arguments)) })?;
    match pid_of(pid) {
        None => Ok(Cloned::Child),
        // SAFETY: the kernel has just put a new descriptor there, which nobody else owns.
        Some(pid) => Ok(Cloned::Parent(pid, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

fn pid_of(raw: libc::c_long) -> Option<Pid> {
    i32::try_from(raw).ok().and_then(Pid::from_raw)
}

/// Sets attributes of a mount and of all mounts below it.
pub(crate) fn add_mount_attributes(path: &CStr, attributes: u64) -> io::Result<()> {
    let attributes = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: path and attributes outlive the call, which only reads them.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE | libc::AT_SYMLINK_NOFOLLOW,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })
    .map(drop)
}

/// Becomes another program, given by a descriptor, with an empty environment. Returns only on failure.
pub(crate) fn execute(program: BorrowedFd<'_>, arguments: &[&CStr]) -> io::Error {
    let mut pointers: Vec<*const libc::c_char> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let environment: [*const libc::c_char; 1] = [std::ptr::null()];
    // SAFETY: both lists end with a null pointer, and all strings outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            pointers.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

/// Blocks the signals that ask a process to end and returns a descriptor that becomes readable when one comes.
pub(crate) fn block_ending_signals() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by `sigemptyset` before it is read, and outlives the calls.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
            libc::sigaddset(&raw mut signals, signal);
        }
        check(libc::c_long::from(libc::sigprocmask(libc::SIG_SETMASK, &raw const signals, std::ptr::null_mut())))?;
        let descriptor = libc::signalfd(-1, &raw const signals, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        check(libc::c_long::from(descriptor))?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Lets all signals through again, as a program expects at its start.
pub(crate) fn unblock_all_signals() -> io::Result<()> {
    // SAFETY: the set is initialised by `sigemptyset` before it is read, and outlives the calls.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        check(libc::c_long::from(libc::sigprocmask(libc::SIG_SETMASK, &raw const signals, std::ptr::null_mut())))
            .map(drop)
    }
}

/// Which version of landlock the kernel speaks; 0 for none.
pub(crate) fn landlock_version() -> i64 {
    const VERSION: u32 = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: without attributes and with this flag the call only answers a number.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) }.max(0)
}

/// Keeps this process and all that follow from it from connecting to abstract sockets of anybody else's. Needs version 6.
pub(crate) fn leave_abstract_sockets_alone() -> io::Result<()> {
    /// Handled file rights, handled network rights, and what is kept to the process's own domain.
    const ABSTRACT_SOCKETS: [u64; 3] = [0, 0, 1];
    // SAFETY: the attributes outlive the call, which only reads them.
    let rules = check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ABSTRACT_SOCKETS.as_ptr(),
            size_of_val(&ABSTRACT_SOCKETS),
            0_u32,
        )
    })?;
    let rules = i32::try_from(rules).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made the descriptor, which nobody else owns.
    let rules = unsafe { OwnedFd::from_raw_fd(rules) };
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0_u32) }).map(drop)
}

/// Brings the loopback interface of this network namespace up.
pub(crate) fn bring_loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: `ifreq` is plain data; the name is shorter than its field and ends with the zeros of `zeroed`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or_default();
    // SAFETY: the request is an `ifreq`, as SIOCSIFFLAGS expects, and outlives the call.
    check(libc::c_long::from(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }))
        .map(drop)
}

fn record_lock(kind: libc::c_int, start: i64, length: i64) -> libc::flock {
    libc::flock {
        l_type: libc::c_short::try_from(kind).unwrap_or_default(),
        l_whence: libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: start,
        l_len: length,
        l_pid: 0,
    }
}

fn lock_call(file: BorrowedFd<'_>, command: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the lock is a `flock`, as all three commands expect, and outlives the call.
    check(libc::c_long::from(unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(lock)) })).map(drop)
}

/// Locks a range of a file for the open file description, unless another holds it. A length of 0 means all.
pub(crate) fn try_lock_range(file: impl AsFd, start: i64, length: i64) -> io::Result<bool> {
    match lock_call(file.as_fd(), libc::F_OFD_SETLK, &mut record_lock(libc::F_WRLCK, start, length)) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Locks a whole file for the open file description, waiting as long as another holds it.
pub(crate) fn wait_for_lock(file: impl AsFd) -> io::Result<()> {
    loop {
        match lock_call(file.as_fd(), libc::F_OFD_SETLKW, &mut record_lock(libc::F_WRLCK, 0, 0)) {
            Err(error) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
            other => return other,
        }
    }
}

/// Whether another open file description holds a lock on the file.
pub(crate) fn is_locked(file: impl AsFd) -> io::Result<bool> {
    let mut lock = record_lock(libc::F_WRLCK, 0, 0);
    lock_call(file.as_fd(), libc::F_OFD_GETLK, &mut lock)?;
    Ok(libc::c_int::from(lock.l_type) != libc::F_UNLCK)
}

/// Waits until a descriptor is readable, as a process's is once the process has ended.
pub(crate) async fn readable(descriptor: OwnedFd) -> io::Result<()> {
    // SAFETY: an owned descriptor stands for the same file as long as it lives.
    let descriptor = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?;
    descriptor.readable().await.map(drop)
}
