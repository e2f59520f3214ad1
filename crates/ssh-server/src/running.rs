//! A command whose streams are joined to a channel.

use std::pin::pin;

use sandboxer_reach::{
    ExecEvent, Execution, ExitStatus, InputHandle, ProcessSelector, ReachError, ReachErrorKind, SignalScope,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::channel::{Act, Closed, Incoming, Port};
use crate::input::Input;
use crate::place::Place;
use crate::session_channel::say;
use crate::signals;

/// The byte by which a terminal learns of the end of what is typed.
const END_OF_TYPING: &[u8] = &[4];
/// What `ssh` itself ends with when something is wrong with it.
const FAILED: u32 = 255;

/// How a command ended, or that its way broke.
type Ended = Result<ExitStatus, ReachError>;

/// Joins it until it ends, and says how, or until its client leaves.
pub(crate) async fn follow(
    port: &Port,
    incoming: Incoming,
    place: &Place,
    mut execution: Execution,
) -> Result<(), Closed> {
    let (command, terminal) = (ProcessSelector::Pid(execution.pid()), execution.has_terminal());
    let input = execution.input();
    match join(port, incoming, &mut execution).await {
        Ok(Ok(status)) => report(port, status).await,
        Ok(Err(error)) => broke(port, &error).await,
        Err(Closed) => {
            abandon(place, &command, &input, terminal).await;
            Err(Closed)
        }
    }
}

async fn join(port: &Port, incoming: Incoming, execution: &mut Execution) -> Result<Ended, Closed> {
    let (input, terminal) = (execution.input(), execution.has_terminal());
    let mut showing = pin!(show(port, execution));
    let mut feeding = pin!(feed(port, input.clone(), incoming.input, terminal));
    let mut acting = pin!(act(input, incoming.acts));
    let mut feeds = true;
    loop {
        tokio::select! {
            shown = &mut showing => return shown,
            fed = &mut feeding, if feeds => {
                fed?;
                feeds = false;
            }
            () = &mut acting => {}
            () = port.is_gone() => return Err(Closed),
        }
    }
}

/// Passes its output on, as fast as the client takes it.
async fn show(port: &Port, execution: &mut Execution) -> Result<Ended, Closed> {
    loop {
        match execution.next_event().await {
            Ok(Some(ExecEvent::Stdout(bytes) | ExecEvent::Pty(bytes))) => port.data(&bytes).await?,
            Ok(Some(ExecEvent::Stderr(bytes))) => port.error_data(&bytes).await?,
            Ok(Some(ExecEvent::Gap { from, to })) => {
                say(port, &format!("bytes {from} to {to} of the output are lost")).await?;
            }
            Ok(None) => return Ok(execution.wait().await),
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Hands its input over, as fast as it reads. What comes when it reads no more is thrown away.
async fn feed(port: &Port, handle: InputHandle, mut input: Input, terminal: bool) -> Result<(), Closed> {
    loop {
        let piece = match input.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            // Cut off, its command must not take it for whole.
            Err(error) => {
                say(port, &format!("the input cannot be kept: {error}")).await?;
                return Err(Closed);
            }
        };
        if let Err(error) = handle.write(piece).await {
            tracing::debug!(%error, "the command takes no more input");
            return Ok(());
        }
    }
    let ended = if terminal { handle.write(END_OF_TYPING).await } else { handle.close_stdin().await };
    if let Err(error) = ended {
        tracing::debug!(%error, "the command's input was closed already");
    }
    Ok(())
}

/// Never ends before the command does.
async fn act(input: InputHandle, mut acts: UnboundedReceiver<Act>) {
    while let Some(act) = acts.recv().await {
        let acted = match act {
            Act::Resize(size) => input.resize(size).await,
            Act::Signal(number) => input.signal(number).await,
        };
        if let Err(error) = acted {
            tracing::debug!(%error, "what the client wants comes too late");
        }
    }
    std::future::pending().await
}

/// Says how it ended.
async fn report(port: &Port, status: ExitStatus) -> Result<(), Closed> {
    port.eof().await?;
    match status {
        ExitStatus::Code(code) => port.exited(code.cast_unsigned()).await,
        ExitStatus::Signal { signal, core_dumped } => match signals::named(signal) {
            Some(signal) => port.killed(signal, core_dumped).await,
            None => port.exited(u32::try_from(status.shell_code()).unwrap_or(FAILED)).await,
        },
    }
}

/// Says that it is not known how it ended, and that the sandbox may be gone.
async fn broke(port: &Port, error: &ReachError) -> Result<(), Closed> {
    let words = format!("the way to the command broke: {error}");
    say(port, &words).await?;
    if error.kind() == ReachErrorKind::Unreachable {
        return port.lost(words).await;
    }
    port.eof().await?;
    port.exited(FAILED).await
}

/// Its client left. On a terminal everybody is told; without one only the command itself: what it started in the
/// background stays, as with other servers.
async fn abandon(place: &Place, command: &ProcessSelector, input: &InputHandle, terminal: bool) {
    let told = if terminal {
        input.signal(signals::HANG_UP).await
    } else {
        place.session().signal(command, signals::HANG_UP, SignalScope::Process).await
    };
    tracing::debug!(?told, ?command, "a command was left by its client");
}
