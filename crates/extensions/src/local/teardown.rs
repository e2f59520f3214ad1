//! Removes a sandbox and verifies that nothing of it is left, whatever state it is in.

use super::cgroups::Cgroups;
use super::control;
use super::extension::{LocalExtension, is_of};
use super::folder::{Folder, JOURNAL, RootFolder};
use super::lock::Lock;
use super::process::{self, ProcessName};
use super::remove_tree;
use super::sys;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::Timespec;
use sandboxer_sdk::{Call, Teardown};
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Residue, SandboxId};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// A process that belongs to a sandbox, and its descriptor while it lives.
#[derive(Debug)]
struct Witness {
    name: ProcessName,
    process: Option<OwnedFd>,
}

impl Witness {
    fn of(name: ProcessName) -> io::Result<Self> {
        Ok(Self { name, process: name.open()? })
    }

    fn has_ended(&self) -> io::Result<bool> {
        self.process.as_ref().map_or(Ok(true), process::has_ended)
    }
}

/// What a sandbox's folder tells about what is outside of it. Read before anything is removed, and looked at afterwards.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    supervisor: Option<Witness>,
    init: Option<Witness>,
    cgroups: Vec<PathBuf>,
}

impl Evidence {
    /// Reads it.
    pub(crate) fn of(folder: &Folder) -> io::Result<Self> {
        let journal = folder.journal()?;
        let supervisor = journal.supervisor;
        Ok(Self {
            init: journal.init.map(Witness::of).transpose()?,
            cgroups: supervisor.iter().flat_map(|record| record.cgroups.clone()).collect(),
            supervisor: supervisor.map(|record| Witness::of(record.process)).transpose()?,
        })
    }

    /// Waits until the supervisor's process has ended.
    pub(crate) async fn supervisor_ended(&self) -> io::Result<()> {
        Self::end_of(self.supervisor.as_ref()).await
    }

    /// Waits until all processes have ended.
    async fn ended(&self) -> io::Result<()> {
        self.supervisor_ended().await?;
        Self::end_of(self.init.as_ref()).await
    }

    async fn end_of(witness: Option<&Witness>) -> io::Result<()> {
        let Some(process) = witness.and_then(|witness| witness.process.as_ref()) else { return Ok(()) };
        sys::readable(process.try_clone()?).await
    }
}

/// Removes the sandbox. A report without errors is complete only after everything was looked for once more.
pub(crate) async fn teardown(
    local: &LocalExtension,
    call: &Call,
    request: &Teardown,
) -> Result<CleanupReport, Failure> {
    let id = &request.sandbox_id;
    let mut report = CleanupReport::default();
    let mut evidence = Evidence::default();
    let unknown = |error: io::Error| {
        let message = format!("cannot look for the sandbox: {error}");
        Failure::new(ErrorKind::Internal, message).with_residue(Residue::Unknown)
    };
    if let Some(root) = RootFolder::open(local.root()).map_err(unknown)? {
        while let Some(folder) = root.find(id).map_err(unknown)? {
            if !is_of(&folder, &call.owner).map_err(unknown)? {
                report
                    .already_absent
                    .push(format!("a sandbox `{id}` of this owner: the one of that name is another's, and stays"));
                report.complete = true;
                return Ok(report);
            }
            evidence = Evidence::of(&folder).map_err(unknown)?;
            let round = tokio::select! {
                round = end(&root, id, folder, call) => round?,
                end = call.ended() => return Err(end.failure().with_residue(Residue::InProgress)),
            };
            merge(&mut report, round);
            if !report.errors.is_empty() {
                return Ok(report);
            }
        }
    }
    // Its folder is gone, so whoever supervised is about to be; another teardown may have been told so first.
    tokio::select! {
        ended = evidence.ended() => ended.map_err(unknown)?,
        end = call.ended() => return Err(end.failure().with_residue(Residue::InProgress)),
    }
    verify(&mut report, local.root(), id, &evidence);
    report.complete = report.errors.is_empty();
    Ok(report)
}

/// One attempt: asks a living supervisor, and clears away what a dead one left.
async fn end(root: &RootFolder, id: &SandboxId, folder: Folder, call: &Call) -> Result<CleanupReport, Failure> {
    let broken = |error: io::Error| {
        let message = format!("cannot end the sandbox: {error}");
        Failure::new(ErrorKind::Internal, message).with_residue(Residue::Unknown)
    };
    if let Some(ended) = control::ask_to_end(&folder).await.map_err(broken)? {
        // Not the one of the folder: that may not have been written yet when it was read.
        let supervisor = Witness::of(ended.process).map_err(broken)?;
        Evidence::end_of(Some(&supervisor)).await.map_err(broken)?;
        if ended.report.complete {
            return Ok(CleanupReport { complete: false, ..ended.report });
        }
    }
    let lock = match Lock::acquire(&folder, call).await {
        Ok(lock) => lock.map_err(|end| end.failure().with_residue(Residue::InProgress))?,
        // Removed by another just now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(CleanupReport::default()),
        Err(error) => return Err(broken(error)),
    };
    clear_dead(root, id, folder, lock, call).await
}

/// Removes a sandbox that nobody supervises. `lock` proves that.
pub(crate) async fn clear_dead(
    root: &RootFolder,
    id: &SandboxId,
    folder: Folder,
    lock: Lock,
    call: &Call,
) -> Result<CleanupReport, Failure> {
    let broken = |error: io::Error| {
        let message = format!("cannot clear the sandbox away: {error}");
        Failure::new(ErrorKind::Internal, message).with_residue(Residue::Unknown)
    };
    if !lock.is_current().map_err(broken)? {
        return Ok(CleanupReport::default());
    }
    let parent = rustix::io::dup(root).map_err(|error| broken(error.into()))?;
    let (id, deadline) = (id.clone(), call.deadline);
    let clearing = tokio::task::spawn_blocking(move || {
        let report = clear(&parent, &id, &folder, deadline);
        // Only now may somebody else make a sandbox of this name.
        drop(lock);
        report
    });
    clearing.await.map_err(|error| broken(io::Error::other(error)))?.map_err(broken)
}

fn clear(parent: &OwnedFd, id: &SandboxId, folder: &Folder, deadline: Instant) -> io::Result<CleanupReport> {
    let mut report = CleanupReport::default();
    let evidence = Evidence::of(folder)?;
    if let Some(Witness { name, process: Some(process) }) = &evidence.init
        && !process::has_ended(process)?
    {
        let ended = process::kill(process).and_then(|()| wait_for_end(process, deadline));
        note(&mut report, format!("process {} and everything in its namespaces", name.pid), ended);
    }
    for path in &evidence.cgroups {
        let there = path.exists();
        let removed = end_processes(path, deadline)
            .and_then(|()| Cgroups::remove(path).map_err(|fault| io::Error::other(detail(&fault))));
        if there || removed.is_err() {
            note(&mut report, format!("cgroup {}", path.display()), removed);
        }
    }
    if report.errors.is_empty() {
        match remove_tree::remove(parent, id.as_str(), Some(JOURNAL)) {
            // Somebody makes a new one already; that one is looked at in another round.
            Err(error) if error.raw_os_error() == Some(Errno::NOTEMPTY.raw_os_error()) => {}
            removed => note(&mut report, format!("folder {}", folder.path().display()), removed),
        }
    }
    Ok(report)
}

fn detail(error: &(dyn std::error::Error + 'static)) -> String {
    let source = error.source().map(ToString::to_string);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn note(report: &mut CleanupReport, what: String, outcome: io::Result<()>) {
    match outcome {
        Ok(()) => report.removed.push(what),
        Err(error) => report.errors.push(format!("{what}: {error}")),
    }
}

fn wait_for_end(process: &OwnedFd, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
    let left =
        Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(left.subsec_nanos()) };
    match rustix::event::poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left))? {
        0 => Err(io::Error::from(io::ErrorKind::TimedOut)),
        _ => Ok(()),
    }
}

/// Kills what is still in a cgroup. Its processes ended with their namespace, so usually nothing is.
fn end_processes(path: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        let processes = Cgroups::processes(path)?;
        let Some(pid) = processes.first().copied() else { return Ok(()) };
        let Ok(name) = rustix::process::Pid::from_raw(pid).map_or(Err(io::ErrorKind::NotFound.into()), ProcessName::of)
        else {
            continue;
        };
        let Some(process) = name.open()? else { continue };
        // Still in it after the descriptor was opened, so the descriptor stands for a process of the sandbox.
        if Cgroups::processes(path)?.contains(&pid) {
            process::kill(&process)?;
            wait_for_end(&process, deadline)?;
        }
    }
}

fn merge(report: &mut CleanupReport, round: CleanupReport) {
    report.removed.extend(round.removed);
    report.errors.extend(round.errors);
}

/// Looks for everything once more, and says how.
fn verify(report: &mut CleanupReport, root: &Path, id: &SandboxId, evidence: &Evidence) {
    let folder = root.join(id.as_str());
    let absent = match rustix::fs::lstat(&folder) {
        Err(Errno::NOENT) => Ok(true),
        Ok(_) => Ok(false),
        Err(error) => Err(error.into()),
    };
    check(report, format!("folder {}: no such entry", folder.display()), absent);
    for (what, witness) in [("supervisor", &evidence.supervisor), ("first process", &evidence.init)] {
        if let Some(witness) = witness {
            let line = format!("{what} {}: ended, by its process descriptor", witness.name.pid);
            check(report, line, witness.has_ended());
        }
    }
    for path in &evidence.cgroups {
        check(report, format!("cgroup {}: no such entry", path.display()), path.try_exists().map(|there| !there));
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo");
    let unmounted = mounts.map(|mounts| !is_mounted(&mounts, &folder));
    check(report, "mounts and bound namespaces: none in the folder, by /proc/self/mountinfo".to_owned(), unmounted);
}

fn check(report: &mut CleanupReport, line: String, outcome: io::Result<bool>) {
    match outcome {
        Ok(true) => report.already_absent.push(line),
        Ok(false) => report.errors.push(format!("not so: {line}")),
        Err(error) => report.errors.push(format!("cannot tell: {line}: {error}")),
    }
}

/// Whether anything is mounted at or below a path. The file writes spaces and the like as octal numbers.
fn is_mounted(mounts: &str, path: &Path) -> bool {
    let escaped: String = path
        .to_string_lossy()
        .chars()
        .map(|letter| match letter {
            ' ' | '\t' | '\n' | '\\' => format!("\\{:03o}", u32::from(letter)),
            other => other.to_string(),
        })
        .collect();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points.into_iter().any(|point| Path::new(point).starts_with(&escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_at_and_below_a_path_and_not_beside_it() {
        let mounts =
            "36 35 98:0 / /state/local/a\\040b/root rw - ext4 /dev/root rw\n37 35 98:0 / /state/x rw - ext4 x rw\n";
        assert!(is_mounted(mounts, Path::new("/state/local/a b")));
        assert!(is_mounted(mounts, Path::new("/state/x")));
        assert!(!is_mounted(mounts, Path::new("/state/local/a")));
        assert!(!is_mounted(mounts, Path::new("/state/x/y")));
    }
}
