//! Machines as they are reached for real.

use super::{Machine, Machines, SyncReport};
use async_trait::async_trait;
use sandboxer_reach::{
    ExecEvent, ExecRequest, Execution, ProcessSelector, ReachError, Route, Session, SessionKind, SignalScope, failure,
    sync::SyncOptions,
};
use sandboxer_sdk::{CommandLine, CommandOutput};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Commands that say more than this to either stream are not those of an extension.
pub(super) const MOST_OUTPUT: usize = 64 << 20;
/// Input is sent in such pieces.
const PIECE: usize = 256 * 1024;
/// Time for a command that was killed to be told of.
const LAST_WORD: Duration = Duration::from_secs(5);
const SIGKILL: i32 = 9;

/// Machines that are reached by ssh, and this one.
#[derive(Debug, Clone)]
pub struct ReachedMachines {
    ways: Arc<sandboxer_reach::Machines>,
    here: BTreeMap<String, String>,
}

impl ReachedMachines {
    /// By those ways. Commands on this machine have the environment `here`, whoever has started its agent.
    pub fn new(ways: Arc<sandboxer_reach::Machines>, here: BTreeMap<String, String>) -> Self {
        Self { ways, here }
    }
}

#[async_trait]
impl Machines for ReachedMachines {
    async fn open(&self, route: &Route) -> Result<Arc<dyn Machine>, Failure> {
        let nothing_done = |error: ReachError| failure(&error).with_residue(Residue::None);
        let machine = self.ways.at(route).await.map_err(nothing_done)?;
        let entered = machine.session().await.map_err(nothing_done)?;
        entered.session.health().await.map_err(nothing_done)?;
        let environment = if *route == Route::Here { self.here.clone() } else { BTreeMap::new() };
        Ok(Arc::new(ReachedMachine { machine, session: entered.session, kind: entered.kind, environment }))
    }
}

struct ReachedMachine {
    machine: sandboxer_reach::Machine,
    session: Arc<dyn Session>,
    kind: SessionKind,
    environment: BTreeMap<String, String>,
}

impl ReachedMachine {
    async fn execute(&self, command: &CommandLine, limit: Duration) -> Result<Heard, ReachError> {
        let mut request = ExecRequest::new(command.argv.iter().cloned());
        request.env.clone_from(&self.environment);
        request.env.extend(command.env.iter().cloned());
        request.cwd = command.directory.as_ref().map(|folder| folder.to_string_lossy().into_owned());
        request.stdin = !command.stdin.is_empty();
        // Should this side be gone by then, or the way to it.
        request.tethered = true;
        request.timeout = (self.kind == SessionKind::Agent).then_some(limit + LAST_WORD);
        let mut execution = self.session.exec(request).await?;
        let mut running = Running { session: Arc::clone(&self.session), kind: self.kind, pid: Some(execution.pid()) };
        let heard = converse(&mut execution, &command.stdin).await?;
        running.pid = None;
        Ok(heard)
    }
}

/// What a command said, and whether a part of its answer is lost.
#[derive(Default)]
struct Heard {
    output: CommandOutput,
    is_cut: bool,
}

/// Feeds a command and hears it out, both at once.
async fn converse(execution: &mut Execution, stdin: &[u8]) -> Result<Heard, ReachError> {
    let input = execution.input();
    let feed = async {
        for piece in stdin.chunks(PIECE) {
            // One that does not want all of it may end well all the same.
            if input.write(piece.to_vec()).await.is_err() {
                return;
            }
        }
        if !stdin.is_empty() {
            input.close_stdin().await.ok();
        }
    };
    let hear = async {
        let mut heard = Heard::default();
        while let Some(event) = execution.next_event().await? {
            let (kept, bytes, is_answer) = match &event {
                ExecEvent::Stdout(bytes) | ExecEvent::Pty(bytes) => (&mut heard.output.stdout, bytes, true),
                ExecEvent::Stderr(bytes) => (&mut heard.output.stderr, bytes, false),
                ExecEvent::Gap { .. } => {
                    heard.is_cut = true;
                    continue;
                }
            };
            if kept.len() + bytes.len() <= MOST_OUTPUT {
                kept.write_all(bytes).ok();
            } else {
                heard.is_cut |= is_answer;
            }
        }
        heard.output.status = execution.wait().await?.shell_code();
        Ok(heard)
    };
    let ((), output) = tokio::join!(feed, hear);
    output
}

/// A command that is killed when nobody waits for it any more.
struct Running {
    session: Arc<dyn Session>,
    kind: SessionKind,
    pid: Option<u32>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(pid) = self.pid.take() else { return };
        let session = Arc::clone(&self.session);
        let scope = match self.kind {
            SessionKind::Agent => SignalScope::Group,
            SessionKind::Plain => SignalScope::Process,
        };
        tokio::spawn(async move {
            let command = ProcessSelector::Pid(pid);
            let killed = session.signal(&command, SIGKILL, scope);
            if let Ok(Err(error)) = tokio::time::timeout(LAST_WORD, killed).await {
                tracing::debug!(%error, pid, "a command that nobody waits for is not killed");
            }
        });
    }
}

#[async_trait]
impl Machine for ReachedMachine {
    fn route(&self) -> &Route {
        self.machine.route()
    }

    async fn run(&self, command: &CommandLine, limit: Duration) -> Result<CommandOutput, Failure> {
        let program = command.argv.first().cloned().unwrap_or_default();
        match tokio::time::timeout(limit, self.execute(command, limit)).await {
            // The end of an answer may say that it is whole, and its middle be missing.
            Ok(Ok(Heard { output, is_cut: true })) if output.success() => {
                let message = format!("a part of what `{program}` said on {} is lost", self.route());
                Err(Failure::new(ErrorKind::Unavailable, message).with_residue(Residue::Unknown))
            }
            Ok(Ok(heard)) => Ok(heard.output),
            // As a shell says it: whoever asks whether a program is there gets an answer, not a fault.
            Ok(Err(error)) if error.kind() == sandboxer_reach::ReachErrorKind::CommandNotFound => {
                Ok(CommandOutput { status: 127, stderr: error.to_string().into_bytes(), ..CommandOutput::default() })
            }
            Ok(Err(error)) => Err(failure(&error).with_residue(Residue::Unknown)),
            Err(_) => {
                let message = format!("`{program}` on {} took longer than {limit:?} and was killed", self.route());
                Err(Failure::new(ErrorKind::Deadline, message).with_residue(Residue::Unknown))
            }
        }
    }

    async fn sync(&self, source: &Path, target: &str) -> Result<SyncReport, Failure> {
        let unsent = |error: ReachError| failure(&error).with_residue(Residue::Unknown);
        sandboxer_reach::sync::sync(self.session.as_ref(), source, target, &SyncOptions::default())
            .await
            .map_err(unsent)
    }

    async fn place_lease(&self, name: &str, span: Duration, expire: &[String]) -> Result<(), Failure> {
        let placed = self.machine.place_lease(name, span, expire).await;
        placed.map_err(|error| failure(&error).with_residue(Residue::Unknown))
    }

    async fn release_lease(&self, name: &str) -> Result<bool, Failure> {
        let unreleased = |error: ReachError| failure(&error).with_residue(Residue::Unknown);
        let was_there = self.machine.leases().await.map_err(unreleased)?.iter().any(|lease| lease.name == name);
        if was_there {
            self.machine.release_lease(name).await.map_err(unreleased)?;
        }
        Ok(was_there)
    }

    async fn agent_path(&self) -> Result<String, Failure> {
        self.machine.agent_path().await.map_err(|error| failure(&error).with_residue(Residue::Unknown))
    }
}
