//! From options to a serving agent.

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::process::Rlimit;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};

use crate::accounts::AccountFiles;
use crate::error::AgentError;
use crate::identity::Power;
use crate::options::{Listen, Options};
use crate::process::{CommandSettings, Limits, Processes, Reaper, raise_descriptors};
use crate::server::{self, Listener};
use crate::shared::Shared;
use crate::workers::Workers;

/// Runs an agent on this thread until SIGTERM or SIGINT; as a sandbox's first process (`init`) for ever. Its commands
/// are killed with it.
///
/// To be called once, early in a process that has no other threads yet: from then on the process is not dumpable, none
/// of its descriptors passes to a child, and they all belong to the agent.
pub fn run(options: Options) -> Result<(), AgentError> {
    harden()?;
    check_descriptors(&options)?;
    if options.init && !rustix::process::getpid().is_init() {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|error| AgentError::setup("become the parent of orphans")(error.into()))?;
    }
    let power = Power::probe();
    let found =
        raise_descriptors().map_err(|error| AgentError::setup("raise the limit of descriptors")(error.into()))?;
    let workers = Workers::start().map_err(AgentError::setup("start threads"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(AgentError::setup("start the event loop"))?;
    runtime.block_on(serve(options, power, found, workers))
}

async fn serve(options: Options, power: Power, found: Rlimit, workers: Workers) -> Result<(), AgentError> {
    let reaper = Arc::new(Reaper::new(options.init));
    Arc::clone(&reaper).watch().map_err(AgentError::setup("watch for ended processes"))?;
    let listener = listen(&options.listen)?;
    // So that it holds no folder; a relative socket is bound by now.
    rustix::process::chdir("/").map_err(|error| AgentError::setup("enter `/`")(error.into()))?;
    let init = options.init;
    let settings = CommandSettings {
        workdir: options.workdir.map(|workdir| workdir.to_string_lossy().into_owned()),
        environment: options.environment,
        limits: Limits::new(&options.command_rlimits, found),
        cgroups: options.commands_cgroup_fds.into(),
        no_new_privileges: options.no_new_privileges,
        no_tracing: init,
        null: null_device(),
    };
    let shared = Arc::new(Shared {
        power,
        accounts: AccountFiles::new("/etc"),
        default_user: options.default_user,
        default_home: options.default_home,
        workers,
        processes: Processes::new(settings, Arc::clone(&reaper)),
    });
    if init {
        // No handler for anything else: to the first process, the kernel then delivers nothing from inside.
        server::serve(listener, shared).await;
        return Ok(());
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(AgentError::setup("watch for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AgentError::setup("watch for SIGINT"))?;
    tokio::select! {
        () = server::serve(listener, shared) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    reaper.kill_all();
    Ok(())
}

/// Keeps the process's memory, environment and descriptors from its own commands.
fn harden() -> Result<(), AgentError> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| AgentError::setup("become undumpable")(error.into()))?;
    close_all_on_exec().map_err(AgentError::setup("keep descriptors from children"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(())
}

fn check_descriptors(options: &Options) -> Result<(), AgentError> {
    for descriptor in &options.commands_cgroup_fds {
        #[allow(unsafe_code, reason = "a number from the options becomes a descriptor")]
        // SAFETY: it is only asked for its flags, which tells whether it is open.
        let result = unsafe { libc::fcntl(*descriptor, libc::F_GETFL) };
        let writable = matches!(result & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR);
        let source = match result {
            -1 => io::Error::last_os_error(),
            _ if writable => continue,
            _ => io::Error::new(io::ErrorKind::PermissionDenied, "it is not open for writing"),
        };
        return Err(AgentError::Descriptor { descriptor: *descriptor, source });
    }
    Ok(())
}

#[allow(unsafe_code, reason = "rustix does not offer the call")]
fn close_all_on_exec() -> io::Result<()> {
    // SAFETY: only sets a flag on descriptors; none is closed.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Opened once, before anything in the sandbox could put something else in its place.
fn null_device() -> Option<OwnedFd> {
    let file = File::open("/dev/null").ok()?;
    let device = file.metadata().ok()?.file_type().is_char_device();
    device.then(|| file.into())
}

fn listen(listen: &Listen) -> Result<Listener, AgentError> {
    let failed = |address: String| move |source| AgentError::Listen { address, source };
    match listen {
        Listen::InheritedFd(descriptor) => inherited(*descriptor)
            .map(Listener::Unix)
            .map_err(|source| AgentError::Descriptor { descriptor: *descriptor, source }),
        Listen::Unix(path) => {
            free(path)?;
            bind(path).map(Listener::Unix).map_err(failed(path.display().to_string()))
        }
        Listen::Tcp(address) => std::net::TcpListener::bind(address)
            .and_then(|listener| {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Listener::Tcp)
            })
            .map_err(failed(address.to_string())),
    }
}

fn inherited(descriptor: RawFd) -> io::Result<UnixListener> {
    #[allow(unsafe_code, reason = "a number from the options becomes a descriptor")]
    // SAFETY: by `run`'s contract the process's descriptors are the agent's; this one is taken once.
    let listener = unsafe { StdUnixListener::from_raw_fd(descriptor) };
    if !rustix::net::sockopt::socket_acceptconn(&listener)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not listening"));
    }
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Removes a socket that an earlier agent left.
fn free(path: &Path) -> Result<(), AgentError> {
    match path.symlink_metadata() {
        Ok(status) if status.file_type().is_socket() => std::fs::remove_file(path)
            .map_err(|source| AgentError::Listen { address: path.display().to_string(), source }),
        Ok(_) => Err(AgentError::NotASocket { path: path.to_owned() }),
        Err(_) => Ok(()),
    }
}

/// Binds for the owner alone: whoever connects may run commands.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(mask);
    bound
}
