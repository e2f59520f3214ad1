//! `sandboxer logs`: what set-up and the extension said.

use super::Session;
use crate::error::CommandResult;
use crate::ui::text::harmless;
use clap::Args;
use sandboxer_broker::store::EventFilter;
use sandboxer_types::EventKind;
use serde::Serialize;
use std::process::ExitCode;

/// What `logs` takes.
#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
}

#[derive(Serialize)]
struct Log {
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    at: jiff::Timestamp,
    text: String,
}

/// Shows them.
pub(crate) async fn logs(session: &Session<'_>, arguments: &LogsArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let filter = EventFilter { sandbox_id: Some(id), kinds: vec![EventKind::Log], ..EventFilter::default() };
    let events = session.control().events(&filter).await?;
    let log = Log { lines: events.into_iter().map(|event| Line { at: event.at, text: event.message }).collect() };
    Ok(session.output.data(&log, || log.lines.iter().map(|line| harmless(&line.text)).collect::<Vec<_>>().join("\n")))
}
