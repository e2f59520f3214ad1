//! `sandboxer logs`: what set-up, the extension and services said, or what a command said.

use super::{Session, attach, following, naming, service_logs, streams};
use crate::error::CommandResult;
use crate::ui::text::harmless;
use clap::Args;
use futures::TryStreamExt;
use sandboxer_broker::store::EventFilter;
use sandboxer_reach::Pace;
use sandboxer_types::{Event, EventKind, SandboxId};
use serde::Serialize;
use std::process::ExitCode;

/// What `logs` takes.
#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Go on showing what comes, until the sandbox or the command ends
    #[arg(long, short)]
    follow: bool,
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
    /// A command's name, or its process id inside: shows its output
    command: Option<String>,
}

impl LogsArguments {
    /// Whether only the store is asked.
    pub(crate) fn only_looks(&self) -> bool {
        self.command.is_none()
    }
}

#[derive(Serialize)]
struct Log {
    lines: Vec<Line>,
    /// What its services said, where it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Line {
    at: jiff::Timestamp,
    text: String,
}

impl From<Event> for Line {
    fn from(event: Event) -> Self {
        Self { at: event.at, text: event.message }
    }
}

/// Shows them.
pub(crate) async fn logs(session: &Session<'_>, arguments: &LogsArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    match (&arguments.command, arguments.follow) {
        (Some(command), true) => follow_command(session, &id, command).await,
        (Some(command), false) => kept_output(session, &id, command).await,
        (None, true) => follow_sandbox(session, id).await,
        (None, false) => show_sandbox(session, id).await,
    }
}

fn of(id: SandboxId) -> EventFilter {
    EventFilter { sandbox_id: Some(id), kinds: vec![EventKind::Log], ..EventFilter::default() }
}

async fn show_sandbox(session: &Session<'_>, id: SandboxId) -> CommandResult<ExitCode> {
    let lines = session.control().events(&of(id.clone())).await?.into_iter().map(Line::from).collect();
    let services = if session.output.is_json() { service_logs::lines(session, &id).await? } else { None };
    let log = Log { lines, services };
    let text = || log.lines.iter().map(|line| harmless(&line.text)).collect::<Vec<_>>().join("\n");
    let code = session.output.data(&log, text);
    if !session.output.is_json() {
        service_logs::show(session, &id).await?;
    }
    Ok(code)
}

async fn follow_sandbox(session: &Session<'_>, id: SandboxId) -> CommandResult<ExitCode> {
    let tell = |event| {
        let line = Line::from(event);
        session.output.data_line(&line, || harmless(&line.text));
    };
    let own = following::events(session, of(id.clone()), Some(id.clone()), tell);
    service_logs::follow(session, &id, own).await
}

async fn kept_output(session: &Session<'_>, id: &SandboxId, command: &str) -> CommandResult<ExitCode> {
    let entrance = session.control().enter(id).await?;
    let kept = entrance.session.kept_output(&naming::selector(command), 0).await;
    let mut kept = kept.map_err(|error| attach::missing(error, id, command))?;
    while let Some(event) = kept.try_next().await? {
        streams::pass_on(session.output, &event)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Looks on; Ctrl-C ends the looking, not the command.
async fn follow_command(session: &Session<'_>, id: &SandboxId, command: &str) -> CommandResult<ExitCode> {
    let mut joined = attach::join(session, id, command, 0, Pace::Free).await?;
    loop {
        tokio::select! {
            event = joined.next_event() => match event? {
                Some(event) => streams::pass_on(session.output, &event)?,
                None => return Ok(ExitCode::SUCCESS),
            },
            () = session.interrupts.cancel.cancelled() => return Ok(ExitCode::SUCCESS),
        }
    }
}
