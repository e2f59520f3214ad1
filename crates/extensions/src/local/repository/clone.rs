//! A repository cloned into the workspace, by the host's git with the host's credentials.

use super::{Workspace, is_withdrawn, withdrawn};
use crate::local::failure::Doing;
use crate::local::sys;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use sandboxer_sdk::{Call, CommandLine, CommandOutput, RunFault};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::io;
use tokio::time::Instant;

/// Addresses that run a command of their own are refused even when the caller's settings allow them, also where a
/// repository names another.
const SETTINGS: [&str; 6] =
    ["-c", "protocol.ext.allow=never", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];

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
    git(&["clone", "--quiet", "--no-hardlinks", "--", url, &path], url, call, control).await?;
    if let Some(reference) = reference {
        git(&["-C", &path, "checkout", "--quiet", reference, "--"], url, call, control).await?;
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

async fn git(words: &[&str], url: &str, call: &Call, control: BorrowedFd<'_>) -> Result<(), Failure> {
    let command = CommandLine::new(["git"].iter().chain(&SETTINGS).chain(words).copied())
        .with_env("GIT_TERMINAL_PROMPT", "0")
        // A repository on this machine must not have its own missing parts fetched by a program that it names.
        .with_env("GIT_NO_LAZY_FETCH", "1")
        .with_env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file")
        // Asks nothing, since nobody may be there to answer.
        .with_env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
    let left = call.deadline.saturating_duration_since(Instant::now());
    let withdrawal = async {
        match control.try_clone_to_owned() {
            Ok(control) => sys::readable(control).await,
            Err(error) => Err(error),
        }
    };
    let outcome = tokio::select! {
        outcome = call.runner.run(&command, left) => outcome,
        end = call.ended() => return Err(end.failure().with_residue(Residue::Partial)),
        Ok(()) = withdrawal => return Err(withdrawn()),
    };
    match outcome {
        Ok(output) if output.success() => Ok(()),
        Ok(output) => Err(explain(&output, url)),
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

fn explain(output: &CommandOutput, url: &str) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr).replace(url, &without_password(url));
    let said = said.trim();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let kind = if says(&["Authentication failed", "Permission denied", "could not read Username", "terminal prompts"]) {
        ErrorKind::Unauthenticated
    } else if says(&["not found", "does not exist", "did not match any", "not appear to be a git"]) {
        ErrorKind::NotFound
    } else {
        ErrorKind::Unavailable
    };
    Failure::new(kind, format!("git could not clone {}: {said}", without_password(url)))
        .with_residue(Residue::Partial)
        .with_field("inputs.repo", "cannot be cloned")
}

/// The address without what stands before its host, which may be a password.
fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host);
            format!("{scheme}://{host}{}", &rest[end..])
        }
        None => url.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_told() {
        assert_eq!(without_password("https://me:secret@host/x@y"), "https://host/x@y");
        assert_eq!(without_password("git@host:x"), "git@host:x");
        let output = CommandOutput {
            status: 128,
            stdout: Vec::new(),
            stderr: b"fatal: repository 'https://t:p@h/x' not found".to_vec(),
        };
        let failure = explain(&output, "https://t:p@h/x");
        assert_eq!(failure.kind, ErrorKind::NotFound);
        assert!(!failure.message.contains("t:p"), "{failure}");
    }
}
