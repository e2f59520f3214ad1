//! Between the agent's messages and this crate's types.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sandboxer_envd::agent::exit::Outcome;
use sandboxer_envd::{EnumValue, Timestamp, agent, process};

use crate::{
    ChangeKind, CommandInfo, Ending, Entry, EntryKind, ExecRequest, ExitStatus, Lease, Port, ProcessSelector,
    ReachError, WindowSize,
};

pub(super) fn selector(from: &ProcessSelector) -> process::ProcessSelector {
    use process::process_selector::Selector;
    let selector = match from {
        ProcessSelector::Pid(pid) => Selector::Pid(*pid),
        ProcessSelector::Tag(tag) => Selector::Tag(tag.clone()),
    };
    process::ProcessSelector { selector: Some(selector) }
}

pub(super) fn own_selector(from: &ProcessSelector) -> agent::ProcessSelector {
    use agent::process_selector::Selector;
    let selector = match from {
        ProcessSelector::Pid(pid) => Selector::Pid(*pid),
        ProcessSelector::Tag(tag) => Selector::Tag(tag.clone()),
    };
    agent::ProcessSelector { selector: Some(selector) }
}

pub(super) fn pty(size: WindowSize) -> process::PTY {
    let size = process::pty::Size { cols: size.cols.into(), rows: size.rows.into() };
    process::PTY { size: size.into() }
}

/// `None` when there is nothing to run.
pub(super) fn start(request: ExecRequest) -> Option<process::StartRequest> {
    let mut argv = request.argv.into_iter();
    let config = process::ProcessConfig {
        cmd: argv.next()?,
        args: argv.collect(),
        envs: request.env.into_iter().collect(),
        cwd: request.cwd,
    };
    Some(process::StartRequest {
        process: config.into(),
        pty: request.pty.map(pty).into(),
        tag: request.tag,
        stdin: Some(request.stdin),
    })
}

pub(super) fn lease(from: agent::Lease) -> Lease {
    let remaining = (!from.expired).then_some(Duration::from_millis(from.remaining_ms));
    Lease { name: from.name, remaining, last_fault: from.last_fault }
}

pub(super) fn command(from: agent::Command) -> Result<CommandInfo, ReachError> {
    Ok(CommandInfo {
        pid: from.pid,
        tag: from.tag,
        argv: from.argv,
        environment: from.environment.into_iter().collect(),
        cwd: from.cwd,
        started: from.started.as_option().and_then(time),
        ending: from.exit.as_option().map(ending).transpose()?,
        output: from.output,
        kept_from: from.kept_from,
    })
}

pub(super) fn ending(from: &agent::Exit) -> Result<Ending, ReachError> {
    let status = match &from.outcome {
        Some(Outcome::Code(code)) => ExitStatus::Code(*code),
        Some(Outcome::Signal(exit)) => ExitStatus::Signal { signal: exit.signal, core_dumped: exit.core_dumped },
        None => return Err(ReachError::protocol("the sandbox's agent did not say how the command ended")),
    };
    Ok(Ending { status, timed_out: from.timed_out })
}

/// A path on the wire: bytes, as Linux has them.
pub(super) fn bytes(path: &Path) -> Bytes {
    Bytes::copy_from_slice(path.as_os_str().as_bytes())
}

pub(super) fn path(bytes: &Bytes) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

pub(super) fn entry(from: agent::Entry) -> Entry {
    Entry {
        path: path(&from.path),
        kind: entry_kind(from.kind).unwrap_or(EntryKind::Other),
        size: from.size,
        mode: from.mode,
        modified: from.modified.as_option().and_then(time),
        target: from.target.as_ref().map(path),
        target_kind: entry_kind(from.target_kind),
        owner: from.owner,
        group: from.group,
        allocated: from.allocated,
        links: from.links,
        inode: from.inode,
        device: from.device,
    }
}

/// `None` for what is not said.
fn entry_kind(from: EnumValue<agent::EntryKind>) -> Option<EntryKind> {
    use agent::EntryKind as Wire;
    match from.as_known() {
        Some(Wire::ENTRY_KIND_UNSPECIFIED) => None,
        Some(Wire::ENTRY_KIND_FILE) => Some(EntryKind::File),
        Some(Wire::ENTRY_KIND_DIRECTORY) => Some(EntryKind::Directory),
        Some(Wire::ENTRY_KIND_SYMLINK) => Some(EntryKind::Symlink),
        Some(Wire::ENTRY_KIND_PIPE) => Some(EntryKind::Pipe),
        Some(Wire::ENTRY_KIND_SOCKET) => Some(EntryKind::Socket),
        Some(Wire::ENTRY_KIND_DEVICE) => Some(EntryKind::Device),
        // A kind that a newer agent knows.
        None => Some(EntryKind::Other),
    }
}

pub(super) fn change_kind(from: EnumValue<agent::ChangeKind>) -> ChangeKind {
    use agent::ChangeKind as Wire;
    match from.as_known() {
        Some(Wire::CHANGE_KIND_CREATED) => ChangeKind::Created,
        Some(Wire::CHANGE_KIND_WRITTEN) => ChangeKind::Written,
        Some(Wire::CHANGE_KIND_REMOVED) => ChangeKind::Removed,
        Some(Wire::CHANGE_KIND_MOVED_AWAY) => ChangeKind::MovedAway,
        Some(Wire::CHANGE_KIND_ATTRIBUTES) => ChangeKind::Attributes,
        Some(Wire::CHANGE_KIND_UNSPECIFIED) | None => ChangeKind::Other,
    }
}

pub(super) fn port(from: agent::Port) -> Result<Port, ReachError> {
    let port = u16::try_from(from.port)
        .map_err(|_| ReachError::protocol(format!("the sandbox's agent named a port {}", from.port)))?;
    Ok(Port { port, address: from.address, owner: from.owner })
}

fn time(from: &Timestamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(from.seconds.unsigned_abs());
    let nanoseconds = Duration::from_nanos(u64::try_from(from.nanos).ok()?);
    let whole = if from.seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole?.checked_add(nanoseconds)
}
