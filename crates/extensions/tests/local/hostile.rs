//! What a program inside must not be able to do, tried by system calls. Runs inside a sandbox and prints a line for each:
//! its name, and the error it got, or 0.
#![allow(unsafe_code, reason = "the calls are made as a hostile program makes them")]

use std::io::{self, Write};
use std::process::ExitCode;

/// The first argument that makes the test binary this program.
pub(crate) const ARGUMENT: &str = "hostile";

type Attempt = (&'static str, fn() -> libc::c_long);

const ATTEMPTS: &[Attempt] = &[
    ("unshare-user", || call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0])),
    ("unshare-time", || call(libc::SYS_unshare, [0x80, 0, 0, 0])),
    ("unshare-net", || call(libc::SYS_unshare, [libc::CLONE_NEWNET.into(), 0, 0, 0])),
    ("clone-user", || forked(call(libc::SYS_clone, [i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD), 0, 0, 0]))),
    ("clone3", clone3),
    ("setns", || call(libc::SYS_setns, [0, 0, 0, 0])),
    ("mount", || call(libc::SYS_mount, [0, text(c"/tmp"), text(c"tmpfs"), 0])),
    ("umount", || call(libc::SYS_umount2, [text(c"/proc/keys"), libc::MNT_DETACH.into(), 0, 0])),
    ("pivot-root", || call(libc::SYS_pivot_root, [text(c"/tmp"), text(c"/tmp"), 0, 0])),
    ("open-tree", || call(libc::SYS_open_tree, [libc::AT_FDCWD.into(), text(c"/"), 1, 0])),
    ("fsopen", || call(libc::SYS_fsopen, [text(c"tmpfs"), 0, 0, 0])),
    ("bpf", || call(libc::SYS_bpf, [0, 0, 0, 0])),
    ("perf", || call(libc::SYS_perf_event_open, [0, 0, -1, -1])),
    ("io-uring", || call(libc::SYS_io_uring_setup, [1, 0, 0, 0])),
    ("userfaultfd", || call(libc::SYS_userfaultfd, [1, 0, 0, 0])),
    ("keyctl", || call(libc::SYS_keyctl, [0, -4, 1, 0])),
    ("add-key", || call(libc::SYS_add_key, [text(c"user"), text(c"x"), text(c"y"), 1])),
    ("handle", || call(libc::SYS_name_to_handle_at, [libc::AT_FDCWD.into(), text(c"/usr"), 0, 0])),
    ("settime", || call(libc::SYS_clock_settime, [0, 0, 0, 0])),
    ("reboot", || call(libc::SYS_reboot, [0, 0, 0, 0])),
    ("kexec", || call(libc::SYS_kexec_load, [0, 0, 0, 0])),
    ("module", || call(libc::SYS_init_module, [0, 0, 0, 0])),
    ("syslog", || call(libc::SYS_syslog, [3, 0, 0, 0])),
    ("type-into-terminal", || call(libc::SYS_ioctl, [0, 0x5412, text(c"x"), 0])),
    ("type-into-terminal-64", || call(libc::SYS_ioctl, [0, 0x7_0000_5412, text(c"x"), 0])),
    ("console", || call(libc::SYS_ioctl, [0, 0x541C, text(c"x"), 0])),
    ("vsock", || call(libc::SYS_socket, [libc::AF_VSOCK.into(), 1, 0, 0])),
    ("alg", || call(libc::SYS_socket, [libc::AF_ALG.into(), 5, 0, 0])),
    ("packet", || call(libc::SYS_socket, [libc::AF_PACKET.into(), 3, 0, 0])),
    ("raw", || call(libc::SYS_socket, [libc::AF_INET.into(), 3, 1, 0])),
    ("ptrace-agent", || call(libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), 1, 0, 0])),
    ("limit-agent", || call(libc::SYS_prlimit64, [1, libc::RLIMIT_NOFILE.into(), text(c"0000000000000000"), 0])),
    ("limit-agent-thread", || call(libc::SYS_prlimit64, [2, libc::RLIMIT_NOFILE.into(), text(c"0000000000000000"), 0])),
    ("steal-descriptor", steal_descriptor),
    ("read-agent", read_agent),
    ("become-root", || call(libc::SYS_setuid, [0, 0, 0, 0])),
    ("chroot", || call(libc::SYS_chroot, [text(c"/tmp"), 0, 0, 0])),
    ("mknod", || call(libc::SYS_mknodat, [libc::AT_FDCWD.into(), text(c"/tmp/dev"), 0o060_666, 0x0800])),
    ("x32", || call(0x4000_0000 + 272, [libc::CLONE_NEWUSER.into(), 0, 0, 0])),
];

fn text(text: &std::ffi::CStr) -> i64 {
    text.as_ptr() as i64
}

fn call(number: libc::c_long, [first, second, third, fourth]: [i64; 4]) -> libc::c_long {
    // SAFETY: hostile on purpose; all pointers are to texts that live for ever.
    unsafe { libc::syscall(number, first, second, third, fourth) }
}

/// The new process, should there be one, ends.
fn forked(result: libc::c_long) -> libc::c_long {
    if result == 0 {
        // SAFETY: ends a process that must not exist.
        unsafe { libc::_exit(0) }
    }
    result
}

fn clone3() -> libc::c_long {
    // SAFETY: plain data.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(libc::CLONE_NEWUSER.cast_unsigned());
    forked(call(libc::SYS_clone3, [(&raw const arguments) as i64, size_of_val(&arguments).cast_signed() as i64, 0, 0]))
}

fn steal_descriptor() -> libc::c_long {
    let agent = call(libc::SYS_pidfd_open, [1, 0, 0, 0]);
    call(libc::SYS_pidfd_getfd, [agent, 3, 0, 0])
}

fn read_agent() -> libc::c_long {
    let mut byte = 0_u8;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(0x0040_0000), iov_len: 1 };
    // SAFETY: both point to structures that outlive the call.
    unsafe {
        libc::syscall(libc::SYS_process_vm_readv, 1_i64, &raw const local, 1_i64, &raw const remote, 1_i64, 0_i64)
    }
}

/// The first argument that makes the test binary connect to an address, or to an abstract socket by name, and print the
/// error it got, or 0.
pub(crate) const CONNECT_ARGUMENT: &str = "connect-abstract";

pub(crate) fn connect(words: &[String]) -> ExitCode {
    use std::os::linux::net::SocketAddrExt;
    let error = match words[0].parse::<std::net::SocketAddr>() {
        Ok(address) => std::net::TcpStream::connect(address).err(),
        Err(_) => {
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&words[0]).expect("valid");
            std::os::unix::net::UnixStream::connect_addr(&address).err()
        }
    };
    let number = error.and_then(|error| error.raw_os_error()).unwrap_or(0);
    if writeln!(io::stdout(), "{number}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub(crate) fn main() -> ExitCode {
    for (name, attempt) in ATTEMPTS {
        let result = attempt();
        let error = if result < 0 { io::Error::last_os_error().raw_os_error().unwrap_or(-1) } else { 0 };
        if writeln!(io::stdout(), "{name} {error}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
