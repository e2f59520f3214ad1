//! `sandboxer forward`: listen here for what listens in a sandbox.

mod door;
mod relay;
mod route;
mod way;

use super::Session;
use crate::error::CommandResult;
use clap::Args;
use door::Door;
use relay::Relay;
use route::Route;
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::task::JoinSet;
use way::Way;

/// What `forward` takes.
#[derive(Debug, Args)]
pub(crate) struct ForwardArguments {
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
    /// A port or the absolute path of a unix socket inside; before it and a `:`, where to listen here: a port, an
    /// address and a port, or `unix:` and a path
    #[arg(required = true, value_name = "[LOCAL:]REMOTE", value_parser = route::parse)]
    routes: Vec<Route>,
}

#[derive(Serialize)]
struct Forwarded<'a> {
    local: &'a str,
    remote: &'a str,
}

/// Forwards until Ctrl-C or the sandbox's end.
pub(crate) async fn forward(session: &Session<'_>, arguments: ForwardArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let entrance = session.control().enter(&id).await?;
    session.progress.clear();
    let way = Arc::new(Way::new(entrance.session));
    // All of them listen before the first is announced.
    let mut doors = Vec::new();
    for route in arguments.routes {
        doors.push((Door::open(&route, session.output).await?, route.remote));
    }
    let mut listening = JoinSet::new();
    for (door, remote) in doors {
        let (local, inside) = (door.to_string(), remote.to_string());
        session.output.data_line(&Forwarded { local: &local, remote: &inside }, || format!("{local} → {inside}"));
        let relay = Arc::new(Relay::new(local, remote, Arc::clone(&way), *session.output));
        listening.spawn(relay::serve(door, relay));
    }
    let outcome = tokio::select! {
        over = way.outlast(session, &id) => over,
        () = session.interrupts.cancel.cancelled() => Ok(()),
        Some(broken) = listening.join_next() => broken.unwrap_or(Ok(())),
    };
    // The paths of unix sockets go with those who listen there.
    listening.shutdown().await;
    outcome.map(|()| ExitCode::SUCCESS)
}
