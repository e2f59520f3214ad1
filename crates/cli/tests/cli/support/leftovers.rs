//! What is left of sandboxes, looked for from outside and without sand-boxer's help.

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is left of the sandboxes of one place.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    pub(crate) processes: Vec<FoundProcess>,
    pub(crate) mounts: Vec<PathBuf>,
    pub(crate) cgroups: Vec<PathBuf>,
    pub(crate) folders: Vec<PathBuf>,
}

/// A process, and what gives it away.
#[derive(Debug)]
pub(crate) struct FoundProcess {
    pub(crate) pid: i32,
    pub(crate) command: String,
    /// It is process 1 of its own namespace.
    pub(crate) is_first_inside: bool,
    #[allow(dead_code, reason = "shown when a test fails")]
    trace: String,
}

/// Sandbox ids and owner ids in a text.
pub(crate) fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_name = |word: &&str| word.len() == 29 && (word.starts_with("sbx") || word.starts_with("own"));
    words.filter(is_name).map(str::to_owned).collect()
}

/// Owner ids in a database, where they may stand close to other text.
pub(crate) fn owners_in(bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes);
    let owners = text.match_indices("own0").filter_map(|(start, _)| text.get(start..start + 29));
    owners.filter(|owner| owner.bytes().all(|byte| byte.is_ascii_alphanumeric())).map(str::to_owned).collect()
}

impl Leftovers {
    /// Looks for everything that lies below `place` or bears one of `names`.
    pub(crate) fn search(place: &Path, local: &Path, names: &BTreeSet<String>) -> Self {
        let folders: Vec<PathBuf> =
            fs::read_dir(local).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        let mut names = names.clone();
        names.extend(folders.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())));
        let mut marks: Vec<String> = names.iter().cloned().collect();
        marks.push(place.to_str().expect("a plain path").to_owned());
        let mut cgroups = Vec::new();
        find_cgroups(Path::new("/sys/fs/cgroup"), &names, &mut cgroups);
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("readable");
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
        Self {
            processes: processes(&marks),
            mounts: points.filter(|point| point.starts_with(place)).collect(),
            cgroups,
            folders,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.processes.is_empty() && self.mounts.is_empty() && self.cgroups.is_empty() && self.folders.is_empty()
    }

    /// Ends and removes all of it; what cannot be removed fails the next search.
    pub(crate) fn remove(&self) {
        for pid in self.processes.iter().filter_map(|process| Pid::from_raw(process.pid)) {
            if let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
                && kill_process(pid, Signal::KILL).is_ok()
            {
                sandboxer_machinery::ends_within(&process, Duration::from_secs(10));
            }
        }
        for mount in &self.mounts {
            rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH).expect("only root mounts");
        }
        // The innermost were found last.
        for cgroup in self.cgroups.iter().rev() {
            // A process that was killed just now may hold it; the next search sees that.
            drop(fs::remove_dir(cgroup));
            // That of all sandboxes of one state directory, when this was the last.
            drop(cgroup.parent().map(fs::remove_dir));
        }
    }
}

fn find_cgroups(folder: &Path, names: &BTreeSet<String>, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
            found.push(entry.path());
        }
        find_cgroups(&entry.path(), names, found);
    }
}

/// Living processes that have one of `marks` in their command line, working directory or mounts.
pub(super) fn processes(marks: &[String]) -> Vec<FoundProcess> {
    let own_mounts = fs::read_link("/proc/self/ns/mnt").expect("readable");
    let entries = fs::read_dir("/proc").expect("readable").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    pids.filter(|pid| pid.unsigned_abs() != std::process::id())
        .filter_map(|pid| process(pid, marks, &own_mounts))
        .collect()
}

fn process(pid: i32, marks: &[String], own_mounts: &Path) -> Option<FoundProcess> {
    let path = PathBuf::from(format!("/proc/{pid}"));
    if has_ended(&path) {
        return None;
    }
    let command = read(&path.join("cmdline")).replace('\0', " ");
    let mut traces = vec![command.clone(), fs::read_link(path.join("cwd")).unwrap_or_default().display().to_string()];
    if fs::read_link(path.join("ns/mnt")).is_ok_and(|mounts| mounts != own_mounts) {
        traces.extend(read(&path.join("mountinfo")).lines().map(str::to_owned));
    }
    let trace = traces.into_iter().find(|trace| marks.iter().any(|mark| trace.contains(mark.as_str())))?;
    let status = read(&path.join("status"));
    let inner = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let is_first_inside = inner.is_some_and(|pids| pids.split_whitespace().skip(1).last() == Some("1"));
    Some(FoundProcess { pid, command, is_first_inside, trace })
}

/// Empty for a process that is gone by now.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Whether a process has ended; somebody else has to reap it.
fn has_ended(process: &Path) -> bool {
    let status = read(&process.join("stat"));
    let state = status.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
