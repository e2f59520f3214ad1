//! `sandboxer sync`: a workspace made the same as a directory here.

use super::Session;
use crate::error::CommandResult;
use clap::Args;
use sandboxer_broker::Workspace;
use sandboxer_reach::sync;
use sandboxer_types::Failure;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `sync` takes.
#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// The sandbox: its id, a unique part of that, or its name
    id: String,
    /// The directory to send, without what its ignore files match [default: the one that the sandbox was made from]
    dir: Option<PathBuf>,
    /// Where to, in the sandbox [default: its workspace]
    #[arg(long, value_name = "PATH")]
    to: Option<String>,
}

/// What a sync did.
#[derive(Debug, Serialize)]
struct Synced {
    source: String,
    target: String,
    /// Files, links and directories that are there by it.
    entries: u64,
    sent: u64,
    bytes: u64,
    removed: u64,
    warnings: Vec<String>,
}

/// Sends what differs.
pub(crate) async fn sync(session: &Session<'_>, arguments: &SyncArguments) -> CommandResult<ExitCode> {
    let control = session.control();
    let id = control.resolve(&arguments.id).await?;
    let workspace = control.workspace(&id).await?;
    let source = session.config.working_directory.join(source(arguments, &workspace)?);
    let target = target(arguments, &workspace)?;
    // A directory that holds the state holds every local sandbox, too.
    let options = sync::SyncOptions { leave_out: vec![session.config.local()], ..sync::SyncOptions::default() };
    let report = sync::sync(workspace.session.as_ref(), &source, &target, &options).await?;
    for warning in &report.warnings {
        session.output.warning(warning);
    }
    let synced = Synced {
        source: source.display().to_string(),
        target,
        entries: report.entries,
        sent: report.sent,
        bytes: report.bytes,
        removed: report.removed,
        warnings: report.warnings,
    };
    Ok(session.output.data(&synced, || {
        format!(
            "sent {} of {} entries ({} bytes), removed {}",
            synced.sent, synced.entries, synced.bytes, synced.removed
        )
    }))
}

fn source(arguments: &SyncArguments, workspace: &Workspace) -> CommandResult<PathBuf> {
    let made_from = workspace.repo.as_deref().map(Path::new).filter(|repo| repo.is_absolute());
    match (&arguments.dir, made_from) {
        (Some(directory), _) => Ok(directory.clone()),
        (None, Some(directory)) => Ok(directory.to_owned()),
        (None, None) => Err(Failure::invalid_input("the sandbox was made from no directory of this machine")
            .with_hint("say which directory to send: `sandboxer sync ID DIR`")
            .into()),
    }
}

fn target(arguments: &SyncArguments, workspace: &Workspace) -> CommandResult<String> {
    let folder = workspace.folder.as_deref();
    let target = match (&arguments.to, folder) {
        (Some(to), Some(folder)) => Path::new(folder).join(to).to_str().map(str::to_owned),
        (Some(to), None) => Some(to.clone()),
        (None, Some(folder)) => Some(folder.to_owned()),
        (None, None) => None,
    };
    target.ok_or_else(|| {
        Failure::invalid_input("nothing says where the sandbox's workspace is")
            .with_hint("say where to put it: `--to PATH`")
            .into()
    })
}
