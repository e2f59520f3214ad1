//! `sandboxer rm`: remove sandboxes, and verify that nothing is left.

use super::Session;
use super::show::report_lines;
use crate::error::{CommandError, CommandResult};
use crate::ui::text::harmless;
use clap::Args;
use sandboxer_broker::ListFilter;
use sandboxer_types::{ErrorKind, Failure, Residue, SandboxId, SandboxStatus};
use serde::Serialize;
use std::process::ExitCode;

/// What `rm` takes.
#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    /// Ids, unique prefixes or suffixes of them, or names
    #[arg(required_unless_present = "all")]
    ids: Vec<String>,
    /// All there are
    #[arg(long, short, conflicts_with = "ids")]
    all: bool,
}

#[derive(Serialize)]
struct Removed {
    sandboxes: Vec<SandboxStatus>,
}

/// Removes them, each whatever became of the others.
pub(crate) async fn rm(session: &Session<'_>, arguments: RmArguments) -> CommandResult<ExitCode> {
    let ids = chosen(session, &arguments).await?;
    let mut removed = Removed { sandboxes: Vec::new() };
    let mut first_fault: Option<CommandError> = None;
    for id in ids {
        match session.control().remove(&id, &session.context()).await {
            Ok(status) => {
                if !status.state.is_closed() && first_fault.is_none() {
                    first_fault = Some(CommandError::Incomplete(Box::new(owed(&status))));
                }
                removed.sandboxes.push(status);
            }
            Err(failure) => {
                session.output.warning(&format!("`{id}`: {failure}"));
                first_fault.get_or_insert_with(|| failure.into());
            }
        }
    }
    session.progress.clear();
    let code = session.output.data(&removed, || {
        removed.sandboxes.iter().map(|status| text(status, session.output.is_verbose())).collect::<Vec<_>>().join("\n")
    });
    first_fault.map_or(Ok(code), Err)
}

async fn chosen(session: &Session<'_>, arguments: &RmArguments) -> CommandResult<Vec<SandboxId>> {
    if arguments.all {
        let open = session.control().list(&ListFilter::default()).await?;
        return Ok(open.into_iter().map(|status| status.sandbox_id).collect());
    }
    // All of them are looked up before the first is removed, so that a slip removes nothing.
    let mut ids = Vec::new();
    for text in &arguments.ids {
        let id = session.control().resolve(text).await?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn text(status: &SandboxStatus, verbose: bool) -> String {
    let mut text = format!("{} {}", status.sandbox_id, status.state);
    let shown = status.cleanup.as_ref().filter(|report| verbose || !report.complete);
    for line in shown.map(report_lines).unwrap_or_default() {
        text.push_str(&format!("\n  {}", harmless(&line)));
    }
    text
}

/// What may still exist, where, and how to look.
pub(super) fn owed(status: &SandboxStatus) -> Failure {
    let mut failure = Failure::new(
        ErrorKind::Partial,
        format!("the cleanup of `{}` on `{}` is not complete", status.sandbox_id, status.host),
    )
    .with_residue(Residue::Unknown)
    .with_hint(format!(
        "mend the cause and repeat `sandboxer rm {}`, or clean by hand and close the record with `sandboxer forget {}`",
        status.sandbox_id, status.sandbox_id
    ));
    failure.causes = status.cleanup.as_ref().map(|report| report.errors.clone()).unwrap_or_default();
    failure
}
