//! `sandboxer exec`: run a command in a sandbox.

use super::{Session, naming, streams, terminal};
use crate::error::CommandResult;
use clap::Args;
use sandboxer_broker::Entrance;
use sandboxer_reach::ExecRequest;
use sandboxer_types::TimeSpan;
use serde::Serialize;
use std::process::ExitCode;

/// What `exec` takes.
#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    /// Print the command's name and return; the command goes on
    #[arg(long, short)]
    detach: bool,
    /// Name the command, for `ps`, `logs` and `attach`
    #[arg(long, value_name = "NAME", value_parser = naming::tag)]
    tag: Option<String>,
    /// Hand over the standard input; with `-d`, keep it open for `attach -i`
    #[arg(long, short)]
    interactive: bool,
    /// Give it a terminal
    #[arg(long, short)]
    tty: bool,
    /// Set a variable; repeatable
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = super::request::key_value)]
    env: Vec<(String, String)>,
    /// Directory to run in
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// User to run as
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// End the command after this time
    #[arg(long, value_name = "DURATION")]
    timeout: Option<TimeSpan>,
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Runs it, and ends with its status.
pub(crate) async fn exec(session: &Session<'_>, arguments: ExecArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let entrance = session.control().enter(&id).await?;
    let mut request = streams::request(&entrance, arguments.command);
    request.env.extend(arguments.env);
    request.user = arguments.user;
    request.timeout = arguments.timeout.map(TimeSpan::as_duration);
    request.stdin = arguments.interactive;
    if let Some(workdir) = arguments.workdir {
        request.cwd = Some(workdir);
    }
    if let Some(tag) = arguments.tag {
        naming::is_free(&entrance, &tag).await?;
        request.tag = Some(tag);
    }
    match (arguments.detach, arguments.tty) {
        (true, has_terminal) => detach(session, &entrance, request, has_terminal).await,
        (false, true) => terminal::run(session, &entrance, request).await,
        (false, false) => streams::run(session, &entrance, request).await,
    }
}

#[derive(Serialize)]
struct Detached<'a> {
    command: &'a str,
    pid: u32,
}

/// Starts it and leaves it to itself.
async fn detach(
    session: &Session<'_>,
    entrance: &Entrance,
    mut request: ExecRequest,
    has_terminal: bool,
) -> CommandResult<ExitCode> {
    if has_terminal {
        terminal::ask_for_terminal(&mut request);
    }
    let name = match request.tag.take() {
        Some(tag) => tag,
        None => naming::fresh(entrance).await?,
    };
    request.tag = Some(name.clone());
    session.progress.clear();
    match entrance.session.exec(request).await {
        Ok(execution) => {
            let detached = Detached { command: &name, pid: execution.pid() };
            Ok(session.output.data(&detached, || name.clone()))
        }
        Err(error) => streams::not_started(session, error),
    }
}
