//! From options to a serving agent.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::Mode;
use rustix::process::Rlimit;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};

use crate::access::Access;
use crate::accounts::AccountFiles;
use crate::activity::Activity;
use crate::daemon_place;
use crate::defaults::{CurrentDefaults, Defaults};
use crate::error::AgentError;
use crate::files::PolledWatches;
use crate::identity::Power;
use crate::idle;
use crate::leases::Leases;
use crate::old_programs;
use crate::options::{Listen, Options};
use crate::process::{CommandSettings, Limits, Processes, Reaper, raise_descriptors};
use crate::server;
use crate::shared::Shared;
use crate::stdio::Stdio;
use crate::transport;
use crate::workers::Workers;

/// How long an agent that leaves looks for clients that came at the last moment.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// Runs an agent on this thread until SIGTERM or SIGINT; as a sandbox's first process (`init`) for ever. Its commands
/// are killed with it.
///
/// To be called once, early in a process that has no other threads yet: from then on the process is not dumpable, none
/// of its descriptors passes to a child, and they all belong to the agent.
///
/// `announce` is told where it listens, once it does.
pub fn run(options: Options, announce: impl FnOnce(&str)) -> Result<(), AgentError> {
    harden()?;
    check_descriptors(&options)?;
    if (options.init || options.adopts) && !rustix::process::getpid().is_init() {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|error| AgentError::setup("become the parent of orphans")(error.into()))?;
    }
    let power = Power::probe();
    let found =
        raise_descriptors().map_err(|error| AgentError::setup("raise the limit of descriptors")(error.into()))?;
    let workers = Workers::start().map_err(AgentError::setup("start threads"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(AgentError::setup("start the event loop"))?;
    runtime.block_on(serve(options, announce, power, found, workers))
}

async fn serve(
    options: Options,
    announce: impl FnOnce(&str),
    power: Power,
    found: Rlimit,
    workers: Workers,
) -> Result<(), AgentError> {
    let reaper = Arc::new(Reaper::new(options.init || options.adopts));
    Arc::clone(&reaper).watch().map_err(AgentError::setup("watch for ended processes"))?;
    let endpoint = Endpoint::open(&options.listen)?;
    let socket = endpoint.socket();
    announce(&endpoint.address());
    // So that it holds no folder; a relative socket is bound by now.
    rustix::process::chdir("/").map_err(|error| AgentError::setup("enter `/`")(error.into()))?;
    let settings = CommandSettings {
        limits: Limits::new(&options.command_rlimits, found),
        cgroups: options.commands_cgroup_fds.as_slice().into(),
        no_new_privileges: options.no_new_privileges,
        no_tracing: options.init,
        null: null_device(),
    };
    let (init, patience) = (options.init, options.leave_when_idle);
    let processes = Processes::new(settings, Arc::clone(&reaper));
    let shared = shared(options, power, workers, processes);
    if init {
        return as_first_process(endpoint, shared).await;
    }
    // A daemon that a relay has started: who stays as long as that is told when to leave.
    let daemon = socket.filter(|_| patience.is_some());
    if daemon.is_some() {
        collect_old_programs();
    }
    let ended = as_service(endpoint, shared, patience, daemon.clone()).await;
    reaper.kill_all();
    if let Some(socket) = daemon {
        let left_before = matches!(ended, Ok(Left::Idle));
        if let Err(error) = daemon_place::withdraw(&socket, !left_before) {
            tracing::warn!(%error, socket = %socket.display(), "something stays beside the socket");
        }
    }
    ended.map(drop)
}

/// No handler for any signal: to the first process, the kernel then delivers nothing from inside.
async fn as_first_process(endpoint: Endpoint, shared: Arc<Shared>) -> Result<(), AgentError> {
    tokio::select! {
        () = endpoint.serve(Arc::clone(&shared)) => Ok(()),
        ended = crate::leases::watch(shared) => ended.map_err(AgentError::setup("watch over leases")),
    }
}

async fn as_service(
    endpoint: Endpoint,
    shared: Arc<Shared>,
    patience: Option<Duration>,
    socket: Option<PathBuf>,
) -> Result<Left, AgentError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(AgentError::setup("watch for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AgentError::setup("watch for SIGINT"))?;
    tokio::select! {
        () = endpoint.serve(Arc::clone(&shared)) => Ok(Left::Ended),
        ended = crate::leases::watch(Arc::clone(&shared)) => {
            ended.map(|()| Left::Ended).map_err(AgentError::setup("watch over leases"))
        }
        () = leave_when_idle(&shared, patience, socket) => Ok(Left::Idle),
        _ = terminate.recv() => Ok(Left::Ended),
        _ = interrupt.recv() => Ok(Left::Ended),
    }
}

/// Why an agent that is a service ends.
enum Left {
    /// Nobody needed it: its socket has gone already.
    Idle,
    /// It was told to, or its only client has gone.
    Ended,
}

#[allow(clippy::disallowed_methods, reason = "files bear the time of the day")]
fn collect_old_programs() {
    let collected = std::env::current_exe().and_then(|program| old_programs::collect(&program, SystemTime::now()));
    if let Err(error) = collected {
        tracing::warn!(%error, "old agents are not removed");
    }
}

fn shared(options: Options, power: Power, workers: Workers, processes: Processes) -> Arc<Shared> {
    let activity = Arc::<Activity>::default();
    let defaults = Defaults {
        user: options.default_user,
        workdir: options.workdir.map(|workdir| workdir.to_string_lossy().into_owned()),
        environment: options.environment,
    };
    Arc::new(Shared {
        power,
        accounts: AccountFiles::new("/etc"),
        access: Access::new(options.token),
        defaults: CurrentDefaults::new(defaults),
        default_home: options.default_home,
        workers,
        processes,
        watches: PolledWatches::default(),
        leases: Leases::new(Arc::clone(&activity)),
        activity,
        meter: Arc::default(),
    })
}

/// Waits until nobody needs this agent. Then its socket goes, so that nobody new finds it, and whoever had found it by
/// then is still served.
async fn leave_when_idle(shared: &Shared, patience: Option<Duration>, socket: Option<PathBuf>) {
    let Some(patience) = patience else { return std::future::pending().await };
    idle::until_idle(shared, patience).await;
    let Some(socket) = socket else { return };
    if let Err(error) = std::fs::remove_file(&socket) {
        tracing::warn!(%error, socket = %socket.display(), "cannot remove the socket");
    }
    idle::until_idle(shared, LAST_LOOK).await;
}

/// Where clients come.
enum Endpoint {
    Unix(UnixListener),
    Tcp(TcpListener),
    Stdio(Stdio),
}

impl Endpoint {
    fn open(listen: &Listen) -> Result<Self, AgentError> {
        match listen {
            Listen::InheritedFd(descriptor) => transport::inherited(*descriptor).map(Self::Unix),
            Listen::Unix(path) => transport::unix(path).map(Self::Unix),
            Listen::Tcp(address) => transport::tcp(*address).map(Self::Tcp),
            Listen::Stdio => Stdio::take().map(Self::Stdio),
        }
    }

    /// The absolute path of the socket, if it is one.
    fn socket(&self) -> Option<PathBuf> {
        let Self::Unix(listener) = self else { return None };
        let path = listener.local_addr().ok()?.as_pathname()?.to_owned();
        std::path::absolute(path).ok()
    }

    fn address(&self) -> String {
        match self {
            Self::Unix(listener) => match listener.local_addr().ok().as_ref().and_then(|address| address.as_pathname())
            {
                Some(path) => format!("unix:{}", path.display()),
                None => "a unix socket".to_owned(),
            },
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "TCP".to_owned(), |address| address.to_string())
            }
            Self::Stdio(_) => "the standard streams".to_owned(),
        }
    }

    async fn serve(self, shared: Arc<Shared>) {
        match self {
            Self::Unix(listener) => server::serve(listener, shared).await,
            Self::Tcp(listener) => server::serve(listener, shared).await,
            Self::Stdio(stdio) => server::serve(stdio, shared).await,
        }
    }
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

/// The name of who runs this process, or the number of one without a name.
pub fn own_user() -> String {
    AccountFiles::new("/etc").read().user_name(rustix::process::geteuid().as_raw())
}
