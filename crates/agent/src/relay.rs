//! The relay and the host daemon: one agent on a machine, which outlives the connections to it.
//!
//! A relay is what a login on that machine runs. It passes its standard streams on to the daemon's socket, and starts the
//! daemon where none answers. The socket is bound before the daemon starts and handed to it, so that nobody has to wait
//! until it listens; a lock lets one relay at a time do so.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio as Streams};

use rustix::fs::{FlockOperation, flock};
use tokio::io::{AsyncWriteExt as _, BufReader};

use crate::error::AgentError;
use crate::stdio::Stdio;
use crate::transport::{Transport as _, bind_unix};

/// What is read at once, each way.
const BUFFER: usize = 256 * 1024;

/// What a relay is told.
#[derive(Debug, Clone)]
pub struct Relay {
    /// The daemon's socket. Its folder is made where it lacks, and must be the user's own.
    pub socket: PathBuf,
    /// Written to the standard output, as a line of its own, before the daemon is heard: whoever listens can skip what a
    /// login printed until then, whole lines or not.
    pub mark: Option<String>,
    /// The program and the arguments of the daemon, which finds its listening socket as its standard input.
    pub daemon: Vec<String>,
}

/// Passes the standard streams on to the daemon until one side ends.
pub fn relay(options: &Relay) -> Result<(), AgentError> {
    own_folder(&options.socket)?;
    let daemon = reach(options)?;
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

/// A folder where nobody else can put a socket of theirs.
fn own_folder(socket: &Path) -> Result<(), AgentError> {
    let folder = socket.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |source| AgentError::Listen { address: socket.display().to_string(), source };
    match DirBuilder::new().mode(0o700).recursive(true).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let status = std::fs::symlink_metadata(folder).map_err(failed)?;
    if !status.is_dir() || status.uid() != rustix::process::geteuid().as_raw() || status.mode() & 0o022 != 0 {
        return Err(AgentError::OthersFolder { folder: folder.to_owned() });
    }
    Ok(())
}

/// A connection to the daemon, which is started where none answers.
fn reach(options: &Relay) -> Result<UnixStream, AgentError> {
    let failed = |source| AgentError::Listen { address: options.socket.display().to_string(), source };
    if let Ok(stream) = UnixStream::connect(&options.socket) {
        return of_the_user(stream, &options.socket);
    }
    let lock = beside(&options.socket, "lock").and_then(|path| private(&path)).map_err(failed)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    // Another relay may have started it meanwhile.
    if let Ok(stream) = UnixStream::connect(&options.socket) {
        return of_the_user(stream, &options.socket);
    }
    let listener = bind_unix(&options.socket)?;
    let log = beside(&options.socket, "log").and_then(|path| private(&path)).map_err(failed)?;
    start(&options.daemon, listener.into(), log).map_err(AgentError::setup("start the daemon"))?;
    of_the_user(UnixStream::connect(&options.socket).map_err(failed)?, &options.socket)
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

fn beside(socket: &Path, ending: &str) -> io::Result<PathBuf> {
    let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = name.to_owned();
    name.push(format!(".{ending}"));
    Ok(socket.with_file_name(name))
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Starts the daemon in a session of its own, so that it goes on when the login ends.
fn start(daemon: &[String], listener: OwnedFd, log: File) -> io::Result<()> {
    let (program, arguments) = daemon.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(listener).stdout(Streams::null()).stderr(log).current_dir("/");
    #[allow(unsafe_code, reason = "what runs between fork and exec has no safe form")]
    // SAFETY: `setsid` is a system call that may be made between fork and exec.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
    }
    // It outlives this process, which waits for nobody.
    command.spawn().map(drop)
}
