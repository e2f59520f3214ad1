//! `sandboxer events`: what happened, from the durable log.

use super::Session;
use crate::error::CommandResult;
use crate::ui::text::harmless;
use clap::Args;
use sandboxer_broker::store::EventFilter;
use sandboxer_types::{Event, SandboxId};
use serde::Serialize;
use std::process::ExitCode;
use std::time::Duration;

/// How often the log is looked at while it is followed. Other processes write it, and have no way to call us.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);

/// What `events` takes.
#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// Go on showing what happens, one JSON object a line with `--json`
    #[arg(long, short)]
    follow: bool,
    /// An id, a unique prefix or suffix of one, or a name; all sandboxes otherwise
    id: Option<String>,
}

#[derive(Serialize)]
struct Listing {
    events: Vec<Event>,
}

fn line(event: &Event) -> String {
    format!("{}  {}  {:<12} {}", event.at, event.sandbox_id, event.kind.as_str(), harmless(&event.message))
}

/// Shows them.
pub(crate) async fn events(session: &Session<'_>, arguments: &EventsArguments) -> CommandResult<ExitCode> {
    let sandbox_id = match &arguments.id {
        Some(text) => Some(session.control().resolve(text).await?),
        None => None,
    };
    if arguments.follow {
        return follow(session, sandbox_id).await;
    }
    let filter = EventFilter { sandbox_id, ..EventFilter::default() };
    let listing = Listing { events: session.control().events(&filter).await? };
    Ok(session.output.data(&listing, || listing.events.iter().map(line).collect::<Vec<_>>().join("\n")))
}

async fn follow(session: &Session<'_>, sandbox_id: Option<SandboxId>) -> CommandResult<ExitCode> {
    let mut filter = EventFilter { sandbox_id, ..EventFilter::default() };
    let mut ticks = tokio::time::interval(FOLLOW_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = session.interrupts.cancel.cancelled() => return Ok(ExitCode::SUCCESS),
        }
        for event in session.control().events(&filter).await? {
            filter.after = event.sequence;
            session.output.data_line(&event, || line(&event));
        }
    }
}
