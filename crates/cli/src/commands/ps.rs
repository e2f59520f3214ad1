//! `sandboxer ps`: the commands of a sandbox.

use super::Session;
use crate::error::CommandResult;
use crate::ui::table::table;
use crate::ui::text::{distance, harmless};
use clap::Args;
use jiff::Timestamp;
use sandboxer_reach::{CommandInfo, Ending, ExitStatus};
use sandboxer_sdk::{Clock, CommandLine, SystemClock};
use serde::Serialize;
use std::process::ExitCode;

/// Longer commands are cut in the table, in characters.
const LONGEST: usize = 60;

/// What `ps` takes.
#[derive(Debug, Args)]
pub(crate) struct PsArguments {
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
}

#[derive(Serialize)]
struct Listing {
    commands: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: Option<String>,
    pid: u32,
    state: &'static str,
    /// Of one that exited.
    code: Option<i32>,
    /// Of one that was killed.
    signal: Option<i32>,
    timed_out: bool,
    started: Option<Timestamp>,
    output_bytes: u64,
    kept_from: u64,
    argv: Vec<String>,
    workdir: Option<String>,
}

impl From<CommandInfo> for Row {
    fn from(command: CommandInfo) -> Self {
        let (state, code, signal) = match command.ending {
            None => ("running", None, None),
            Some(Ending { status: ExitStatus::Code(code), .. }) => ("exited", Some(code), None),
            Some(Ending { status: ExitStatus::Signal { signal, .. }, .. }) => ("killed", None, Some(signal)),
        };
        Self {
            name: command.tag,
            pid: command.pid,
            state,
            code,
            signal,
            timed_out: command.ending.is_some_and(|ending| ending.timed_out),
            started: command.started.and_then(|started| Timestamp::try_from(started).ok()),
            output_bytes: command.output,
            kept_from: command.kept_from,
            argv: command.argv,
            workdir: command.cwd,
        }
    }
}

impl Row {
    fn cells(&self, now: Timestamp) -> [String; 6] {
        let state = match (self.code.or(self.signal), self.timed_out) {
            (_, true) => "timed out".to_owned(),
            (Some(number), false) => format!("{} {number}", self.state),
            (None, false) => self.state.to_owned(),
        };
        let command = harmless(&CommandLine::new(self.argv.iter().cloned()).to_string());
        let shown: String = command.chars().take(LONGEST).collect();
        let rest = if shown.len() < command.len() { "…" } else { "" };
        [
            self.name.as_deref().map_or_else(|| "-".to_owned(), harmless),
            self.pid.to_string(),
            state,
            self.started.map_or_else(|| "-".to_owned(), |started| distance(started, now)),
            self.output_bytes.to_string(),
            format!("{shown}{rest}"),
        ]
    }
}

/// Lists them.
pub(crate) async fn ps(session: &Session<'_>, arguments: &PsArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let entrance = session.control().enter(&id).await?;
    let listing = Listing { commands: entrance.session.commands().await?.into_iter().map(Row::from).collect() };
    let now = SystemClock.now();
    Ok(session.output.data(&listing, || {
        if listing.commands.is_empty() {
            session.output.note("no commands");
            return String::new();
        }
        let header = ["NAME", "PID", "STATE", "AGE", "OUTPUT", "COMMAND"];
        table(header, listing.commands.iter().map(|row| row.cells(now)))
    }))
}
