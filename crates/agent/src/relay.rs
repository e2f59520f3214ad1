//! The relay and the host daemon: one agent on a machine, which outlives the connections to it.
//!
//! A relay is what a login on that machine runs. It passes its standard streams on to the daemon's socket, and starts the
//! daemon where none answers. The socket is bound before the daemon starts and handed to it, so that nobody has to wait
//! until it listens; a lock lets one relay at a time do so.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio as Streams};

use tokio::io::{AsyncWriteExt as _, BufReader};

use crate::daemon_place::{self, own_folder, own_socket};
use crate::error::AgentError;
use crate::stdio::Stdio;
use crate::transport::{Transport as _, bind_unix};

/// What is read at once, each way.
const BUFFER: usize = 256 * 1024;

/// What a relay is told.
#[derive(Debug, Clone)]
pub struct Relay {
    /// The daemon's socket. Its folder is made where it lacks, and must be the user's own.
    pub socket: RelaySocket,
    /// The sandbox that the daemon is for: it and all its commands bear that in their environment, as
    /// [`SANDBOX_VARIABLE`].
    pub sandbox: Option<String>,
    /// Written to the standard output, as a line of its own, before the daemon is heard: whoever listens can skip what a
    /// login printed until then, whole lines or not.
    pub mark: Option<String>,
    /// The program and the arguments of the daemon, which finds its listening socket as its standard input.
    pub daemon: Vec<String>,
}

/// Where the daemon of a relay listens.
#[derive(Debug, Clone)]
pub enum RelaySocket {
    /// There.
    At(PathBuf),
    /// Under that name in a folder of the user's own, wherever there is room for one.
    Named(String),
}

/// Names, in the environment of a sandbox's agent and of all that it starts, the sandbox.
pub const SANDBOX_VARIABLE: &str = "SANDBOXER_SANDBOX";

/// Passes the standard streams on to the daemon until one side ends.
pub fn relay(options: &Relay) -> Result<(), AgentError> {
    let socket = match &options.socket {
        RelaySocket::At(path) => {
            own_folder(path)?;
            path.clone()
        }
        RelaySocket::Named(name) => own_socket(name)?,
    };
    let daemon = reach(&socket, options)?;
    if let Some(mark) = &options.mark {
        let mut output = io::stdout().lock();
        let told = write!(output, "\n{mark}\n").and_then(|()| output.flush());
        told.map_err(AgentError::setup("tell that the daemon answers"))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(AgentError::setup("start the event loop"))?;
    runtime.block_on(pass(daemon)).map_err(AgentError::setup("pass on what the daemon says"))
}

async fn pass(daemon: UnixStream) -> io::Result<()> {
    daemon.set_nonblocking(true)?;
    let (from_daemon, mut to_daemon) = tokio::net::UnixStream::from_std(daemon)?.into_split();
    let Some(stdio) = Stdio::take().map_err(io::Error::other)?.accept().await? else { return Ok(()) };
    let (input, mut output) = tokio::io::split(stdio);
    let mut from_daemon = BufReader::with_capacity(BUFFER, from_daemon);
    let mut input = BufReader::with_capacity(BUFFER, input);
    let inward = async {
        tokio::io::copy_buf(&mut input, &mut to_daemon).await?;
        to_daemon.shutdown().await?;
        // Who has said all may still want to hear the rest.
        std::future::pending().await
    };
    let passed = tokio::select! {
        passed = tokio::io::copy_buf(&mut from_daemon, &mut output) => passed.map(drop),
        broken = inward => broken,
    };
    match passed {
        // Whoever called us has gone; the daemon goes on.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
        other => other,
    }
}

/// A connection to the daemon, which is started where none answers.
fn reach(socket: &Path, options: &Relay) -> Result<UnixStream, AgentError> {
    let failed = |source| AgentError::Listen { address: socket.display().to_string(), source };
    if let Ok(stream) = UnixStream::connect(socket) {
        return of_the_user(stream, socket);
    }
    let _lock = daemon_place::lock(socket).map_err(failed)?;
    // Another relay may have started it meanwhile.
    if let Ok(stream) = UnixStream::connect(socket) {
        return of_the_user(stream, socket);
    }
    let listener = bind_unix(socket)?;
    let log = daemon_place::log(socket).map_err(failed)?;
    start(options, listener.into(), log).map_err(AgentError::setup("start the daemon"))?;
    of_the_user(UnixStream::connect(socket).map_err(failed)?, socket)
}

/// The stream, if whoever listens at its other end is the user, too.
fn of_the_user(stream: UnixStream, socket: &Path) -> Result<UnixStream, AgentError> {
    let failed =
        |error: rustix::io::Errno| AgentError::Listen { address: socket.display().to_string(), source: error.into() };
    let listener = rustix::net::sockopt::socket_peercred(&stream).map_err(failed)?;
    if listener.uid != rustix::process::geteuid() {
        return Err(AgentError::OthersFolder { folder: socket.to_owned() });
    }
    Ok(stream)
}

/// Starts the daemon in a session of its own, so that it goes on when the login ends.
fn start(options: &Relay, listener: OwnedFd, log: File) -> io::Result<()> {
    let (program, arguments) = options.daemon.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(listener).stdout(Streams::null()).stderr(log).current_dir("/");
    match &options.sandbox {
        Some(sandbox) => command.env(SANDBOX_VARIABLE, sandbox),
        None => command.env_remove(SANDBOX_VARIABLE),
    };
    #[allow(unsafe_code, reason = "what runs between fork and exec has no safe form")]
    // SAFETY: `setsid` is a system call that may be made between fork and exec.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
    }
    // It outlives this process, which waits for nobody.
    command.spawn().map(drop)
}
