//! `sandboxer reconcile`: finish or remove what dead processes and expired leases left.

use super::Session;
use crate::error::{CommandError, CommandResult};
use clap::Args;
use sandboxer_broker::{Action, Outcome};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::process::ExitCode;

/// What `reconcile` takes.
#[derive(Debug, Args)]
pub(crate) struct ReconcileArguments {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Does it.
pub(crate) async fn reconcile(session: &Session<'_>, arguments: &ReconcileArguments) -> CommandResult<ExitCode> {
    let report = session.control().reconcile(arguments.dry_run, &session.context()).await?;
    session.progress.clear();
    let code = session.output.data(&report, || {
        let acted: Vec<String> =
            report.outcomes.iter().filter(|outcome| outcome.decision.action != Action::Leave).map(line).collect();
        if acted.is_empty() { "nothing to do".to_owned() } else { acted.join("\n") }
    });
    if !report.is_incomplete() {
        return Ok(code);
    }
    let mut failure = Failure::new(ErrorKind::Partial, "something may still exist that should not")
        .with_residue(Residue::Unknown)
        .with_hint("`sandboxer ls` lists what is owed, `sandboxer show ID` what was said of it");
    for outcome in report.outcomes.iter().filter(|outcome| !outcome.errors.is_empty()) {
        failure.causes.push(format!("{}: {}", outcome.decision.sandbox_id, outcome.errors.join("; ")));
    }
    Err(CommandError::Incomplete(Box::new(failure)))
}

fn line(outcome: &Outcome) -> String {
    let result = if outcome.errors.is_empty() { outcome.state.to_string() } else { outcome.errors.join("; ") };
    format!("{} {result}: {}", outcome.decision.sandbox_id, outcome.decision.why)
}
