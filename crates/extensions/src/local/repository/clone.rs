//! A repository cloned into the workspace, by the host's git with the host's credentials.

use super::{Workspace, is_withdrawn, withdrawn};
use crate::git::{self, without_password};
use crate::local::failure::Doing;
use crate::local::sys;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use sandboxer_sdk::{Call, CommandLine, RunFault};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::io;
use tokio::time::Instant;

/// Clones `url` and checks `reference` out.
pub(super) async fn into(
    url: &str,
    reference: Option<&str>,
    workspace: Workspace,
    call: &Call,
    control: BorrowedFd<'_>,
) -> Result<(), Failure> {
    let path = workspace.path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(ErrorKind::Precondition, "git cannot be given the path of the state directory, which is no text")
            .with_residue(Residue::Partial)
    })?;
    workspace.take_back().doing("prepare the workspace").map_err(|fault| fault.failure(Residue::Partial))?;
    call.progress("clone", format!("cloning {}", without_password(url)));
    run(&git::clone(url, &path), url, call, control).await?;
    if let Some(reference) = reference {
        run(&git::checkout(url, &path, reference), url, call, control).await?;
    }
    if workspace.owner.is_none() {
        return Ok(());
    }
    let given = tokio::task::spawn_blocking(move || {
        workspace.give(&workspace.file)?;
        give_tree(&workspace, &workspace.file)
    });
    let given = given.await.map_err(io::Error::other).and_then(|given| given);
    given.doing("give the clone to the sandbox's user").map_err(|fault| fault.failure(Residue::Partial))
}

async fn run(command: &CommandLine, url: &str, call: &Call, control: BorrowedFd<'_>) -> Result<(), Failure> {
    let left = call.deadline.saturating_duration_since(Instant::now());
    let withdrawal = async {
        match control.try_clone_to_owned() {
            Ok(control) => sys::readable(control).await,
            Err(error) => Err(error),
        }
    };
    let outcome = tokio::select! {
        outcome = call.runner.run(command, left) => outcome,
        end = call.ended() => return Err(end.failure().with_residue(Residue::Partial)),
        Ok(()) = withdrawal => return Err(withdrawn()),
    };
    match outcome {
        Ok(output) if output.success() => Ok(()),
        Ok(output) => Err(git::explain(&output, url).with_residue(Residue::Partial)),
        Err(fault @ RunFault::Start { .. }) => Err(Failure::new(ErrorKind::Precondition, fault.to_string())
            .caused_by(&fault)
            .with_hint("install git on this machine")
            .with_residue(Residue::Partial)),
        Err(fault) if is_withdrawn(control) => {
            call.log(fault.to_string());
            Err(withdrawn())
        }
        Err(fault) => Err(Failure::new(ErrorKind::Unavailable, fault.to_string()).with_residue(Residue::Partial)),
    }
}

fn give_tree(workspace: &Workspace, folder: &OwnedFd) -> io::Result<()> {
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let (user, group) = workspace.owner.ok_or(io::ErrorKind::InvalidInput)?;
        rustix::fs::chownat(folder, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        if entry.file_type().is_dir() {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            give_tree(workspace, &rustix::fs::openat(folder, name, flags, Mode::empty())?)?;
        }
    }
    Ok(())
}
