//! `sandboxer ls`: list sandboxes.

use super::Session;
use super::request::key_value;
use crate::error::CommandResult;
use crate::ui::table::table;
use crate::ui::text::{conditions, distance};
use clap::Args;
use jiff::Timestamp;
use sandboxer_broker::ListFilter;
use sandboxer_broker::store::RecordFilter;
use sandboxer_sdk::{Clock, SystemClock};
use sandboxer_types::{SandboxStatus, State};
use serde::Serialize;
use std::process::ExitCode;

/// What `ls` takes.
#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    /// Those that are gone, too
    #[arg(long, short)]
    all: bool,
    /// Of this consumer only
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,
    /// In this state only
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// With this label only; repeatable
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    labels: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Listing {
    sandboxes: Vec<SandboxStatus>,
}

/// Lists them.
pub(crate) async fn ls(session: &Session<'_>, arguments: LsArguments) -> CommandResult<ExitCode> {
    let include_closed = arguments.all || arguments.state.is_some_and(State::is_closed);
    let records = RecordFilter { include_closed, consumer: arguments.consumer, state: arguments.state };
    let filter = ListFilter { records, labels: arguments.labels.into_iter().collect() };
    let listing = Listing { sandboxes: session.control().list(&filter).await? };
    let now = SystemClock.now();
    Ok(session.output.data(&listing, || {
        if listing.sandboxes.is_empty() {
            session.output.note("no sandboxes");
            return String::new();
        }
        let header = ["ID", "NAME", "PROFILE", "STATE", "AGE", "EXPIRES", "CONSUMER", "CONDITIONS"];
        table(header, listing.sandboxes.iter().map(|status| row(status, now)))
    }))
}

fn row(status: &SandboxStatus, now: Timestamp) -> [String; 8] {
    let expires = match status.closed_at {
        Some(_) => "-".to_owned(),
        None if status.expires_at <= now => "now".to_owned(),
        None => format!("in {}", distance(now, status.expires_at)),
    };
    [
        status.sandbox_id.suffix().to_owned(),
        status.name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        status.profile.short().to_owned(),
        status.state.to_string(),
        distance(status.created_at, now),
        expires,
        status.consumer.to_string(),
        conditions(status),
    ]
}
