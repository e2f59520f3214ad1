//! Starting a command.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::fchown;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Uid};
use sandboxer_envd::process::{ProcessConfig, pty};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

use super::child::{self, Failure, REPORT_LENGTH, Streams};
use super::command::{Command, Origin, SharedCommand};
use super::followers::Events;
use super::input::Input;
use super::kept::Source;
use super::output::{Output, Reader};
use super::plan::{Plan, PlanFault};
use super::reaper::Scope;
use super::status::Exit;
use super::terminal::{Pair, Terminal};
use crate::accounts::User;
use crate::identity::{Identity, Power};
use crate::shared::Shared;

/// How long after a burst of commands memory is given back.
const CALM: Duration = Duration::from_secs(1);

/// What to start.
pub(super) struct Start {
    pub(super) user: User,
    pub(super) config: ProcessConfig,
    pub(super) terminal: Option<pty::Size>,
    pub(super) stdin: bool,
    pub(super) tag: Option<String>,
    pub(super) lease: Option<String>,
    /// How long it waits for a follower whose connection broke.
    pub(super) linger: Option<Duration>,
    /// It is killed when whoever started it is gone.
    pub(super) tethered: bool,
    pub(super) deadline: Option<Instant>,
}

/// Why a command did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartFault {
    /// The request makes no sense.
    #[error(transparent)]
    Plan(#[from] PlanFault),
    /// The child came so far and no further.
    #[error("{}", explain(config, *failure))]
    Child { config: Box<ProcessConfig>, failure: Failure },
    /// The agent could not make what the command needs.
    #[error("cannot {what} for a command: {error}")]
    System {
        what: &'static str,
        #[source]
        error: io::Error,
    },
}

fn explain(config: &ProcessConfig, failure: Failure) -> String {
    let error = io::Error::from_raw_os_error(failure.errno);
    match failure.step {
        child::Step::Prepare => format!("cannot prepare a process for `{}`: {error}", config.cmd),
        child::Step::Directory => {
            format!("cannot enter the working directory `{}`: {error}", config.cwd.as_deref().unwrap_or("/"))
        }
        child::Step::Execute => format!("cannot execute `{}`: {error}", config.cmd),
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartFault {
    move |error| StartFault::System { what, error }
}

/// Both sides of a command's streams.
struct Ends {
    child: Streams,
    input: Input,
    outputs: Vec<Output>,
}

/// Starts a command and follows it from its first byte. Must run to its end once begun: a command that was forked but
/// is in no table could not be ended by anyone.
pub(super) async fn start(shared: Arc<Shared>, start: Start) -> Result<(SharedCommand, Events), StartFault> {
    let identity = shared.identity(&start.user);
    let terminal = start.terminal.is_some();
    let defaults = shared.defaults.get();
    let common = shared.processes.common(&defaults);
    let plan = Plan::new(&start.config, &start.user, identity.clone(), terminal, &common)?;
    let Ends { child, input, outputs } = match start.terminal {
        Some(size) => terminal_ends(&shared, identity, size).await.map_err(system("open a terminal"))?,
        None => pipe_ends(&shared, identity.as_ref(), start.stdin).map_err(system("open pipes"))?,
    };
    let (pid, exit) = match launch(&shared, plan, child).await? {
        Ok(launched) => launched,
        Err(failure) => return Err(StartFault::Child { config: Box::new(start.config), failure }),
    };
    let origin = Origin { pid, tag: start.tag, lease: start.lease, config: start.config };
    let command = Arc::new(Command::new(origin, input, shared.processes.memory()));
    if let Some(linger) = start.linger {
        command.hub.linger(linger);
    }
    let mut events = command.hub.follow();
    if start.tethered {
        tokio::spawn(end_when_left(Arc::clone(&shared), Arc::clone(&command), events.presence()));
    }
    let running = Running { outputs, exit, deadline: start.deadline };
    let key = shared.processes.add(Arc::clone(&command));
    tokio::spawn(see_through(shared, key, Arc::clone(&command), running));
    Ok((command, events))
}

/// Kills a command that nobody waits for any more, unless it ends before.
async fn end_when_left(shared: Arc<Shared>, command: SharedCommand, left: oneshot::Receiver<()>) {
    tokio::select! {
        biased;
        _ = command.ended() => {}
        _ = left => {
            // It may end in this very moment.
            shared.processes.reaper.signal(command.pid, libc::SIGKILL, Scope::Group).ok();
        }
    }
}

/// Forks, and waits until the child runs its program. Gives its number, and its end.
async fn launch(
    shared: &Shared,
    plan: Plan,
    streams: Streams,
) -> Result<Result<(u32, oneshot::Receiver<Exit>), Failure>, StartFault> {
    let (report, failures) = pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from).map_err(system("open pipes"))?;
    let pid = child::fork(&plan, &streams, &failures).map_err(system("fork"))?;
    let pid = child::number(pid);
    let exit = shared.processes.reaper.expect(pid);
    drop((plan, streams, failures));
    if let Some(failure) = read_report(report).await.map_err(system("start a process"))? {
        return Ok(Err(failure));
    }
    if matches!(shared.power, Power::Own { .. }) {
        prefer_as_victim(pid);
    }
    Ok(Ok((pid, exit)))
}

/// What comes from a command that runs.
struct Running {
    outputs: Vec<Output>,
    exit: oneshot::Receiver<Exit>,
    deadline: Option<Instant>,
}

/// Follows a command to its end, and takes it out of the table.
async fn see_through(shared: Arc<Shared>, key: u64, command: SharedCommand, running: Running) {
    let Running { outputs, exit, deadline } = running;
    let left = command.supervise(&shared.processes.reaper, outputs, exit, deadline).await;
    let last_of_burst = shared.processes.end(key);
    shared.activity.changed.notify_waiters();
    drop(command);
    futures::future::join_all(left.into_iter().map(Output::discard)).await;
    if last_of_burst {
        // Once its followers have taken the last of it.
        tokio::time::sleep(CALM).await;
        shared.workers.give_memory_back();
    }
}

fn pipe_ends(shared: &Shared, identity: Option<&Identity>, stdin: bool) -> io::Result<Ends> {
    let (stdout_reader, stdout) = own_pipe(identity)?;
    let (stderr_reader, stderr) = own_pipe(identity)?;
    let (stdin, input) = match (stdin, shared.processes.null()) {
        (true, _) => {
            let (reader, writer) = own_pipe(identity)?;
            (reader, Input::Pipe(Mutex::new(Some(pipe::Sender::from_owned_fd(writer)?))))
        }
        (false, Some(null)) => (null.try_clone_to_owned()?, Input::None),
        (false, None) => (pipe_with(PipeFlags::CLOEXEC)?.0, Input::None),
    };
    let outputs = [(Source::Stdout, stdout_reader), (Source::Stderr, stderr_reader)];
    let outputs = outputs
        .into_iter()
        .map(|(source, reader)| Ok(Output { source, reader: Reader::Pipe(pipe::Receiver::from_owned_fd(reader)?) }));
    Ok(Ends { child: Streams { stdin, stdout, stderr }, input, outputs: outputs.collect::<io::Result<_>>()? })
}

/// A pipe that belongs to the command's user, who may then open it again by `/dev/stdout` and its like.
fn own_pipe(identity: Option<&Identity>) -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    if let Some(Identity { uid, gid, .. }) = identity {
        fchown(&writer, Some(Uid::from_raw(*uid)), Some(Gid::from_raw(*gid)))?;
    }
    Ok((reader, writer))
}

async fn terminal_ends(shared: &Shared, identity: Option<Identity>, size: pty::Size) -> io::Result<Ends> {
    let (rows, cols) = cells(&size);
    let pair = shared.workers.run(identity, move || Pair::open(rows, cols)).await?;
    let again = |slave: &OwnedFd| slave.as_fd().try_clone_to_owned();
    let child = Streams { stdin: again(&pair.slave)?, stdout: again(&pair.slave)?, stderr: pair.slave };
    let terminal = Arc::new(Terminal::new(pair.master)?);
    let outputs = vec![Output { source: Source::Terminal, reader: Reader::Terminal(Arc::clone(&terminal)) }];
    Ok(Ends { child, input: Input::Terminal { terminal, turn: Mutex::new(()) }, outputs })
}

/// A terminal's size; what does not fit is as large as fits.
pub(super) fn cells(size: &pty::Size) -> (u16, u16) {
    let clamp = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX);
    (clamp(size.rows), clamp(size.cols))
}

/// Waits until the child runs its program, which closes the pipe, or says why not.
async fn read_report(report: OwnedFd) -> io::Result<Option<Failure>> {
    let mut report = pipe::Receiver::from_owned_fd(report)?;
    let mut bytes = [0; REPORT_LENGTH];
    match report.read_exact(&mut bytes).await {
        Ok(_) => Ok(Some(Failure::decode(bytes))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The child of an agent without privileges could not do this itself before its exec. It may have ended already.
fn prefer_as_victim(pid: u32) {
    if let Err(error) = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "500") {
        tracing::debug!(%error, pid, "cannot make a command the preferred victim");
    }
}
