//! `sandboxer run`: make a sandbox, run a command in it, remove it.

use super::request::RequestArguments;
use super::{Session, streams};
use crate::error::{CommandError, CommandResult};
use clap::Args;
use sandboxer_broker::{Entrance, start_ticks};
use sandboxer_reach::copy;
use sandboxer_types::{ErrorKind, Failure, Residue, SandboxId, SandboxStatus, Tether};
use std::path::Path;
use std::process::ExitCode;

/// What `run` takes.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Which profile
    #[arg(default_value = "local")]
    profile: String,
    #[command(flatten)]
    request: RequestArguments,
    /// File or folder to copy from the sandbox to the working directory afterwards; repeatable
    #[arg(long, value_name = "PATH")]
    out: Vec<String>,
    /// Set a variable for the command; repeatable
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = super::request::key_value)]
    env: Vec<(String, String)>,
    /// Leave the sandbox there afterwards
    #[arg(long)]
    keep: bool,
    /// End with 8 when the command succeeded and the cleanup stayed incomplete
    #[arg(long)]
    strict: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Runs it.
pub(crate) async fn run(session: &Session<'_>, arguments: RunArguments) -> CommandResult<ExitCode> {
    let mut request = arguments.request.request(&arguments.profile, &session.config)?;
    if !arguments.keep {
        request.tether = own_tether();
    }
    session.tidy().await;
    let status = session.control().create(request, true, &session.context()).await?;
    let id = status.sandbox_id;
    let outcome = work(session, &id, &arguments.command, &arguments.env, &arguments.out).await;
    if arguments.keep {
        session.output.note(&format!("kept: {id}"));
        return outcome;
    }
    let cleanup = clean_up(session, &id).await;
    match (outcome, cleanup) {
        (Err(error), _) => Err(error),
        (Ok(code), Ok(())) => Ok(code),
        (Ok(code), Err(failure)) if code == ExitCode::SUCCESS && arguments.strict => {
            Err(CommandError::Incomplete(Box::new(failure)))
        }
        (Ok(code), Err(failure)) => {
            session.output.warning(&failure.message);
            Ok(code)
        }
    }
}

/// This process, so that the sandbox ends with it however it ends.
fn own_tether() -> Option<Tether> {
    let pid = std::process::id();
    start_ticks(pid).map(|start_ticks| Tether { pid, start_ticks })
}

async fn work(
    session: &Session<'_>,
    id: &SandboxId,
    command: &[String],
    env: &[(String, String)],
    out: &[String],
) -> CommandResult<ExitCode> {
    let entrance = session.control().enter(id).await?;
    warn_of_limits(session, &entrance.status);
    let mut request = streams::request(&entrance, command.to_vec());
    request.env.extend(env.iter().cloned());
    request.stdin = true;
    let code = streams::run(session, &entrance, request).await?;
    for path in out {
        copy_out(session, &entrance, path).await?;
    }
    Ok(code)
}

fn warn_of_limits(session: &Session<'_>, status: &SandboxStatus) {
    if session.output.is_verbose() {
        for condition in &status.conditions {
            session.output.warning(&format!("{}: {}", condition.kind, condition.detail));
        }
    }
}

async fn copy_out(session: &Session<'_>, entrance: &Entrance, path: &str) -> CommandResult<()> {
    let base = entrance.profile.workdir.as_deref().unwrap_or("");
    let remote = Path::new(base).join(path);
    let name = remote.file_name().ok_or_else(|| {
        Failure::invalid_input(format!("`{path}` names no file or folder"))
            .with_hint("`--out` takes a path such as `target/report.html`")
    })?;
    let local = session.config.working_directory.join(name);
    copy::download(entrance.session.as_ref(), &remote, &local, None).await?;
    Ok(())
}

/// Removes the sandbox of a run, whatever became of its command.
async fn clean_up(session: &Session<'_>, id: &SandboxId) -> Result<(), Failure> {
    let status = session.control().remove(id, &session.cleanup_context()).await?;
    if status.state.is_closed() {
        return Ok(());
    }
    let said = status.cleanup.map(|report| report.errors.join("; ")).unwrap_or_default();
    Err(Failure::new(ErrorKind::Partial, format!("the cleanup of `{id}` is not complete: {said}"))
        .with_residue(Residue::Unknown)
        .with_hint(format!("`sandboxer rm {id}` tries again")))
}
