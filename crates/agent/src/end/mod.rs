//! The end of a sandbox on a machine that others use, too: its processes, its folders, and the account that was made for it.
//!
//! A process is the sandbox's when it bears the sandbox's name in its environment ([`SANDBOX_VARIABLE`](crate::SANDBOX_VARIABLE)), when it
//! works in one of the folders, when it is run by the account, and when such a process started it. Whoever asks for the end, and
//! whoever started him, is none of them.

mod account;
mod processes;
mod remove;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;

use crate::daemon_place;
use processes::{Owned, Processes};

/// Time for processes to end by themselves.
const GRACE: Duration = Duration::from_secs(2);
/// After this time, what still lives is told instead of waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// A label is shorter.
const LONGEST_LABEL: u64 = 4096;

/// What is to end.
#[derive(Debug, Clone)]
pub struct End {
    /// The sandbox.
    pub sandbox: String,
    /// Folders to remove.
    pub folders: Vec<Folder>,
    /// The account that was made for it, and the words in its comment by which that is known.
    pub account: Option<Account>,
}

/// A folder of a sandbox's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its absolute path.
    pub path: PathBuf,
    /// What the first line of the file [`LABEL`] in it must be; without that it is somebody else's, and stays. Absent for a folder that
    /// is removed whatever is in it.
    pub label: Option<String>,
}

/// The file that says whose a folder is.
pub const LABEL: &str = ".sandboxer";

/// An account that was made for a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its comment. An account with another one is somebody else's, and stays.
    pub comment: String,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Processes that were ended.
    pub ended: Vec<Process>,
    /// Folders and accounts that were removed.
    pub removed: Vec<String>,
    /// Those that were not there.
    pub already_absent: Vec<String>,
    /// What may still be there, and why.
    pub left: Vec<Left>,
}

/// A process that was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub command: String,
}

/// Something that may still be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Ended {
    /// Whether nothing is left.
    pub fn complete(&self) -> bool {
        self.left.is_empty()
    }

    fn leave(&mut self, what: impl Into<String>, why: impl ToString) {
        self.left.push(Left { what: what.into(), why: why.to_string() });
    }
}

/// Ends a sandbox. What it says is what was found out: nothing is claimed that was not looked at.
pub fn end(request: &End) -> Ended {
    let mut ended = Ended::default();
    let folders: Vec<PathBuf> = request.folders.iter().filter_map(|folder| own(folder, &mut ended)).collect();
    let account = match request.account.as_ref().map(account::find) {
        Some(Ok(Some(uid))) => Some(uid),
        Some(Err(why)) => {
            ended.leave(
                format!(
                    "the account {}",
                    request.account.as_ref().map(|account| account.name.as_str()).unwrap_or_default()
                ),
                why,
            );
            None
        }
        Some(Ok(None)) | None => None,
    };
    let owned = Owned { sandbox: &request.sandbox, folders: &folders, uid: account };
    end_processes(&owned, &mut ended);
    for folder in &folders {
        let what = folder.display().to_string();
        match remove::remove(folder) {
            Ok(true) => ended.removed.push(what),
            Ok(false) => ended.already_absent.push(what),
            Err(error) => ended.leave(what, error),
        }
    }
    // An agent that was killed has left its socket.
    for shared in daemon_place::left_by(&request.sandbox, account) {
        if let Err(error) = remove::remove(&shared) {
            ended.leave(shared.display().to_string(), error);
        }
    }
    if let Some(wanted) = &request.account {
        remove_account(wanted, account.is_some(), &mut ended);
    }
    ended
}

/// The folder's path, if it is to be removed.
fn own(folder: &Folder, ended: &mut Ended) -> Option<PathBuf> {
    let path = &folder.path;
    let plain = path.is_absolute() && path.components().all(|part| part != Component::ParentDir);
    if !plain || path.parent().is_none() {
        ended.leave(path.to_string_lossy(), "is no absolute path of a folder");
        return None;
    }
    match folder.label.as_ref().map(|label| bears(path, label)) {
        None | Some(Ok(true)) => Some(path.components().collect()),
        Some(Ok(false)) if path.symlink_metadata().is_ok() => {
            ended.already_absent.push(format!("{}: what stands there is somebody else's", path.display()));
            None
        }
        Some(Ok(false)) => {
            ended.already_absent.push(path.display().to_string());
            None
        }
        Some(Err(error)) => {
            ended.leave(path.to_string_lossy(), format!("it cannot be told whose it is: {error}"));
            None
        }
    }
}

/// Whether a folder bears that label. A link is no folder.
fn bears(path: &Path, label: &str) -> io::Result<bool> {
    let absent = |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    match path.symlink_metadata() {
        Ok(status) if status.is_dir() => {}
        Ok(_) => return Ok(false),
        Err(error) if absent(&error) => return Ok(false),
        Err(error) => return Err(error),
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path.join(LABEL), flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::LOOP) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let mut text = Vec::new();
    file.take(LONGEST_LABEL).read_to_end(&mut text)?;
    Ok(text.split(|byte| *byte == b'\n').next() == Some(label.as_bytes()))
}

fn end_processes(owned: &Owned<'_>, ended: &mut Ended) {
    let mut processes = match Processes::new(owned) {
        Ok(processes) => processes,
        Err(error) => return ended.leave("processes", format!("cannot be looked at: {error}")),
    };
    let until = Instant::now() + PATIENCE;
    let finished = processes.end(GRACE, until);
    ended.ended.extend(processes.ended());
    match finished {
        Ok(()) => {}
        Err(error) => ended.leave("processes", format!("cannot be looked at: {error}")),
    }
    for (process, why) in processes.alive() {
        ended.leave(format!("process {} ({})", process.pid, process.command), why);
    }
}

fn remove_account(wanted: &Account, is_there: bool, ended: &mut Ended) {
    let what = format!("account {}", wanted.name);
    if !is_there {
        if !ended.left.iter().any(|left| left.what == format!("the {what}")) {
            ended.already_absent.push(what);
        }
        return;
    }
    match account::remove(wanted) {
        Ok(()) => ended.removed.push(what),
        Err(why) => ended.leave(what, why),
    }
}
