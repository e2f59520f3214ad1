//! A command inside, on a terminal that is joined to ours.

use super::joined::Joined;
use super::{Session, streams};
use crate::config::terminal_type;
use crate::error::{CommandResult, local_fault};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use sandboxer_broker::Entrance;
use sandboxer_reach::{ExecRequest, ReachErrorKind, WindowSize};
use sandboxer_types::Failure;
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// The terminal in raw mode; as it was again when dropped.
struct RawMode {
    before: Termios,
}

impl RawMode {
    fn enter() -> CommandResult<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).map_err(|error| local_fault("read the terminal's mode", &error.into()))?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)
            .map_err(|error| local_fault("set the terminal's mode", &error.into()))?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before) {
            tracing::warn!(%error, "cannot set the terminal back; `reset` does");
        }
    }
}

fn window_size() -> Option<WindowSize> {
    tcgetwinsize(std::io::stdout()).ok().map(|size| WindowSize { rows: size.ws_row, cols: size.ws_col })
}

/// Runs it on a terminal.
pub(super) async fn run(
    session: &Session<'_>,
    entrance: &Entrance,
    mut request: ExecRequest,
) -> CommandResult<ExitCode> {
    session.progress.clear();
    if request.stdin {
        can_hand_over_keys()?;
    }
    ask_for_terminal(&mut request);
    let wants_input = request.stdin;
    let joined = Joined::start(session, entrance, request).await?;
    follow(session, joined, wants_input).await
}

/// Asks for a terminal like ours.
pub(super) fn ask_for_terminal(request: &mut ExecRequest) {
    request.pty = Some(window_size().unwrap_or(WindowSize { rows: 24, cols: 80 }));
    if let Some(terminal) = terminal_type() {
        request.env.entry("TERM".to_owned()).or_insert(terminal);
    }
}

/// Gives a command's terminal the size of ours.
pub(super) async fn fit(joined: &Joined<'_>) -> CommandResult<()> {
    match window_size() {
        Some(size) => not_now(joined.input().resize(size).await),
        None => Ok(()),
    }
}

/// Keys come from a terminal only.
fn can_hand_over_keys() -> CommandResult<()> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::invalid_input("the standard input is not a terminal")
        .with_hint("leave out `-t` to hand over a file or a pipe")
        .into())
}

/// Joins the terminal of a command to ours until it ends. Keys go to it as they are, Ctrl-C included.
pub(super) async fn follow(
    session: &Session<'_>,
    mut joined: Joined<'_>,
    wants_input: bool,
) -> CommandResult<ExitCode> {
    let raw = if wants_input { Some(RawMode::enter()?) } else { None };
    let mut keys = if wants_input { streams::read_stdin() } else { tokio::sync::mpsc::channel(1).1 };
    let mut resized = signal(SignalKind::window_change()).map_err(|error| local_fault("listen for signals", &error))?;
    let mut signals = session.interrupts.take();
    let status = loop {
        tokio::select! {
            event = joined.next_event() => match event? {
                Some(event) => streams::pass_on(session.output, &event)?,
                None => break joined.wait().await?,
            },
            Some(bytes) = keys.recv() => not_now(joined.input().write(bytes).await)?,
            _ = resized.recv() => if let Some(size) = window_size() {
                not_now(joined.input().resize(size).await)?;
            },
            Some(number) = signals.recv() => not_now(joined.input().signal(number).await)?,
        }
    };
    drop(raw);
    Ok(streams::exit_code(status))
}

/// What comes too late for a command that has just ended is no error, nor is what comes while the connection is being
/// made again: whoever presses a key sees that nothing came of it.
fn not_now(result: Result<(), sandboxer_reach::ReachError>) -> CommandResult<()> {
    use ReachErrorKind::{InputClosed, NotFound, Unreachable};
    match result {
        Err(error) if !matches!(error.kind(), NotFound | InputClosed | Unreachable) => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
