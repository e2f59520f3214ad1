//! `sandboxer orphans`: what backends hold without a record.

use super::Session;
use crate::error::{CommandError, CommandResult};
use crate::ui::table::table;
use clap::Args;
use sandboxer_broker::{Orphan, OrphanReport, OrphanSearch};
use sandboxer_types::{ErrorKind, Failure, Residue, TimeSpan};
use std::process::ExitCode;

/// What `orphans` takes.
#[derive(Debug, Args)]
pub(crate) struct OrphansArguments {
    /// Remove what two searches saw and what is old enough
    #[arg(long)]
    sweep: bool,
    /// How long ago it must first have been seen; longer than any create takes
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    older_than: TimeSpan,
    /// How many to remove at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    most: usize,
}

/// Looks for them.
pub(crate) async fn orphans(session: &Session<'_>, arguments: &OrphansArguments) -> CommandResult<ExitCode> {
    let search =
        OrphanSearch { sweep: arguments.sweep, minimum_age: arguments.older_than.as_duration(), cap: arguments.most };
    let report = session.control().orphans(search, &session.context()).await?;
    for unasked in &report.unasked {
        session.output.warning(&format!("could not ask {unasked}"));
    }
    let code = session.output.data(&report, || human(&report));
    let left = report.orphans.iter().filter(|orphan| !orphan.removed).count();
    if arguments.sweep && (left > 0 || !report.unasked.is_empty()) {
        return Err(CommandError::Incomplete(Box::new(
            Failure::new(ErrorKind::Partial, format!("{left} orphans are still there")).with_residue(Residue::Present),
        )));
    }
    Ok(code)
}

fn human(report: &OrphanReport) -> String {
    if report.orphans.is_empty() {
        return "no orphans".to_owned();
    }
    let row = |orphan: &Orphan| {
        let outcome =
            if orphan.removed { "removed".to_owned() } else { orphan.kept_because.clone().unwrap_or_default() };
        [
            orphan.sandbox_id.to_string(),
            orphan.extension.to_string(),
            orphan.host.to_string(),
            orphan.first_seen.to_string(),
            outcome,
        ]
    };
    table(["ID", "EXTENSION", "HOST", "FIRST SEEN", "OUTCOME"], report.orphans.iter().map(row))
}
