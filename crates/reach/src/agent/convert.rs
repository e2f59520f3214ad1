//! Between the agent's messages and this crate's types.

use std::time::{Duration, SystemTime};

use sandboxer_envd::filesystem::{EntryInfo, FileType};
use sandboxer_envd::{Timestamp, agent, process};

use crate::{Entry, EntryKind, ExecRequest, LinkTarget, ProcessInfo, ProcessSelector, ReachError, WindowSize};

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

pub(super) fn process_info(from: process::ProcessInfo) -> ProcessInfo {
    let config = from.config.into_option().unwrap_or_default();
    ProcessInfo {
        pid: from.pid,
        tag: from.tag,
        argv: std::iter::once(config.cmd).chain(config.args).collect(),
        env: config.envs.into_iter().collect(),
        cwd: config.cwd,
    }
}

pub(super) fn entry(from: Option<EntryInfo>) -> Result<Entry, ReachError> {
    let from = from.ok_or_else(|| ReachError::protocol("the sandbox's agent answered without an entry"))?;
    let kind = match from.r#type.as_known() {
        Some(FileType::FILE_TYPE_FILE) => EntryKind::File,
        Some(FileType::FILE_TYPE_DIRECTORY) => EntryKind::Directory,
        Some(FileType::FILE_TYPE_SYMLINK) => EntryKind::Symlink,
        Some(FileType::FILE_TYPE_UNSPECIFIED) | None => EntryKind::Other,
    };
    let link = from.symlink_target.map(|path| LinkTarget { path, kind });
    Ok(Entry {
        name: from.name,
        path: from.path,
        kind: if link.is_some() { EntryKind::Symlink } else { kind },
        link,
        size: u64::try_from(from.size).unwrap_or(0),
        mode: from.mode,
        owner: from.owner,
        group: from.group,
        modified: from.modified_time.as_option().and_then(time),
    })
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
