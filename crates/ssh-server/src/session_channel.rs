//! Channels on which something is run: a command, a shell, or the file server.

use bytes::Bytes;
use sandboxer_reach::{ExecRequest, ReachError, ReachErrorKind};
use tokio::sync::oneshot;

use crate::channel::{Closed, Incoming, Port};
use crate::place::Place;
use crate::wanted::{Wanted, Work};
use crate::{running, sftp};

/// What `ssh` itself ends with when something is wrong with it.
const FAILED: u32 = 255;

/// Serves a channel until its end.
pub(crate) async fn serve(port: Port, incoming: Incoming, begin: oneshot::Receiver<(Work, Wanted)>, place: Place) {
    let served = match begin.await {
        Ok((work, wanted)) => run(&port, incoming, &place, work, wanted).await,
        // It was closed before.
        Err(_) => Err(Closed),
    };
    tracing::trace!(?served, "a channel ended");
    port.end().await;
}

async fn run(port: &Port, incoming: Incoming, place: &Place, work: Work, wanted: Wanted) -> Result<(), Closed> {
    let command = match work {
        Work::Files(server) => return sftp::serve(server, port, incoming, place).await,
        Work::Command(command) => Some(command),
        Work::Shell => None,
    };
    match wanted.request(command, place) {
        Ok(request) => start(port, incoming, place, request).await,
        Err(words) => {
            say(port, words).await?;
            port.eof().await?;
            port.exited(FAILED).await
        }
    }
}

async fn start(port: &Port, incoming: Incoming, place: &Place, mut request: ExecRequest) -> Result<(), Closed> {
    let mut started = place.session().exec(request.clone()).await;
    // As with a server that has no terminals: the command goes on without one.
    if let Err(error) = &started
        && error.kind() == ReachErrorKind::Unsupported
        && request.pty.take().is_some()
    {
        say(port, &error.to_string()).await?;
        started = place.session().exec(request).await;
    }
    match started {
        Ok(execution) => running::follow(port, incoming, place, execution).await,
        Err(error) => not_started(port, &error).await,
    }
}

/// Says why something could not be started, with the status that a shell would give.
pub(crate) async fn not_started(port: &Port, error: &ReachError) -> Result<(), Closed> {
    say(port, &error.to_string()).await?;
    let code = error.shell_code().and_then(|code| u32::try_from(code).ok());
    port.eof().await?;
    port.exited(code.unwrap_or(FAILED)).await?;
    if error.kind() == ReachErrorKind::Unreachable { port.lost(error.to_string()).await } else { Ok(()) }
}

/// Says something on the standard error.
pub(crate) async fn say(port: &Port, words: &str) -> Result<(), Closed> {
    let plain: String = words.chars().filter(|letter| !letter.is_control()).collect();
    port.error_data(&Bytes::from(format!("sandboxer: {plain}\r\n"))).await
}
