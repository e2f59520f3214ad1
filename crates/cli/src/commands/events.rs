//! `sandboxer events`: what happened, from the durable log.

use super::{Session, following};
use crate::error::CommandResult;
use crate::ui::text::harmless;
use clap::Args;
use sandboxer_broker::store::EventFilter;
use sandboxer_types::Event;
use serde::Serialize;
use std::process::ExitCode;

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
    let filter = EventFilter { sandbox_id, ..EventFilter::default() };
    if arguments.follow {
        let tell = |event| {
            session.output.data_line(&event, || line(&event));
        };
        return following::events(session, filter, None, tell).await;
    }
    let listing = Listing { events: session.control().events(&filter).await? };
    Ok(session.output.data(&listing, || listing.events.iter().map(line).collect::<Vec<_>>().join("\n")))
}
