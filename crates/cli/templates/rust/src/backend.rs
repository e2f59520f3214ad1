//! The backend: a folder of boxes. Each is a folder of its id, and whatever works in it.

use rustix::process::{Pid, Signal, kill_process};
use sandboxer_sdk::{Call, Clock, SystemClock};
use sandboxer_types::{ErrorKind, Failure, Object, OwnerId, Residue, SandboxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// How long an agent may take to end its commands.
const GRACE: Duration = Duration::from_secs(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What is kept of a box.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    pub owner: OwnerId,
    pub labels: BTreeMap<String, String>,
    pub inputs: Object,
    pub created_at: jiff::Timestamp,
}

impl Kept {
    /// What is kept of the box that this call makes.
    pub fn of(call: &Call, inputs: Object) -> Self {
        Self { owner: call.owner.clone(), labels: call.labels.clone(), inputs, created_at: SystemClock.now() }
    }
}

/// The folder of all boxes, for one call at a time.
pub struct Backend {
    root: PathBuf,
    _lock: Option<File>,
}

impl Backend {
    /// Opens it. The file `.backend` in it says that it is there, and is the lock, which the kernel drops with its holder.
    ///
    /// A folder that is missing is a backend that does not answer, and never one without boxes: a teardown that took it
    /// for that would report as gone what comes back with the folder.
    pub async fn open(call: &Call) -> Result<Self, Failure> {
        let root = call.config.get("root").and_then(serde_json::Value::as_str).unwrap_or_default();
        let root = fs::canonicalize(root).map_err(unavailable)?;
        let lock = File::open(root.join(".backend")).map_err(unavailable)?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { root, _lock: Some(lock) }),
                Err(TryLockError::WouldBlock) => call.check().map_err(|end| end.failure())?,
                Err(TryLockError::Error(error)) => return Err(unavailable(error)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// For whoever only looks, and takes a while: lets others work.
    pub fn unlocked(self) -> Self {
        Self { _lock: None, ..self }
    }

    pub fn folder(&self, id: &SandboxId) -> PathBuf {
        self.root.join(id.as_str())
    }

    pub fn workspace(&self, id: &SandboxId) -> PathBuf {
        self.folder(id).join("workspace")
    }

    pub fn socket(&self, id: &SandboxId) -> PathBuf {
        self.folder(id).join("agent")
    }

    /// What is being made or removed. It is ours alone, since whoever works on a box holds the lock.
    fn unfinished(&self, id: &SandboxId) -> PathBuf {
        self.root.join(format!(".{id}"))
    }

    /// What is kept of the call's box, if it exists. Another owner's is not touched.
    pub fn kept(&self, call: &Call) -> Result<Option<Kept>, Failure> {
        match self.read(&call.sandbox_id)? {
            Some(kept) if kept.owner != call.owner => {
                Err(Failure::new(ErrorKind::Forbidden, "it belongs to another owner").with_residue(Residue::Present))
            }
            kept => Ok(kept),
        }
    }

    fn read(&self, id: &SandboxId) -> Result<Option<Kept>, Failure> {
        match fs::read(self.folder(id).join("box.json")) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| unavailable(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// All boxes of that owner.
    pub fn all_of(&self, owner: &OwnerId) -> Result<Vec<(SandboxId, Kept)>, Failure> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(unavailable)? {
            let name = entry.map_err(unavailable)?.file_name();
            // Names that are no ids are of what is unfinished.
            let Ok(id) = name.to_string_lossy().parse::<SandboxId>() else { continue };
            found.extend(self.read(&id)?.filter(|kept| kept.owner == *owner).map(|kept| (id, kept)));
        }
        Ok(found)
    }

    /// Makes the folder. It is there with its labels, or not at all, wherever this process is killed.
    pub fn make(&self, call: &Call, kept: &Kept) -> Result<(), Failure> {
        let unfinished = self.unfinished(&call.sandbox_id);
        remove_tree(&unfinished)
            .and_then(|()| fs::create_dir_all(unfinished.join("workspace")))
            .and_then(|()| fs::write(unfinished.join("box.json"), serde_json::to_vec(kept)?))
            .and_then(|()| fs::rename(&unfinished, self.folder(&call.sandbox_id)))
            .map_err(unavailable)
    }

    /// Starts the agent: in the folder from the first moment on, so that it is found wherever this process is killed; and
    /// in a group of its own before it is there, since that of this process ends with it.
    pub async fn start_agent(&self, id: &SandboxId) -> Result<(), Failure> {
        let log = File::create(self.folder(id).join("log")).map_err(unavailable)?;
        if_there(fs::remove_file(self.socket(id))).map_err(unavailable)?;
        let mut command = Command::new("setsid");
        command.args(["--fork", "sandboxer", "agent", "--listen"]).arg(self.address(id));
        command.current_dir(self.workspace(id)).process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(unavailable)?).stderr(log);
        let status = command.status().await.map_err(unavailable)?;
        if status.success() { Ok(()) } else { Err(unavailable(io::Error::other(format!("`setsid`: {status}")))) }
    }

    fn address(&self, id: &SandboxId) -> String {
        format!("unix:{}", self.socket(id).display())
    }

    /// The agent, by its arguments, and whatever works in the folder, by which also an agent is found that just begins.
    pub fn processes(&self, id: &SandboxId) -> Result<Vec<Pid>, Failure> {
        let (folder, address) = (self.folder(id), self.address(id));
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").map_err(unavailable)? {
            let entry = entry.map_err(unavailable)?;
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            // What cannot be read has ended meanwhile, or is somebody else's. In this order: an agent leaves the folder once
            // it has its arguments.
            let works_there = fs::read_link(entry.path().join("cwd")).is_ok_and(|place| place.starts_with(&folder));
            let is_agent = || {
                let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                arguments.split(|byte| *byte == 0).any(|word| word == address.as_bytes())
            };
            found.extend(pid.filter(|_| works_there || is_agent()));
        }
        Ok(found)
    }

    /// Whether the agent can be reached.
    pub fn answers(&self, id: &SandboxId) -> bool {
        UnixStream::connect(self.socket(id)).is_ok()
    }

    /// The end of what the agent said.
    pub fn last_words(&self, id: &SandboxId) -> String {
        let log = fs::read(self.folder(id).join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(500)..]).trim().to_owned()
    }

    /// Removes everything that bears the id. Returns whether there was anything; fails unless nothing is left.
    pub async fn remove(&self, id: &SandboxId) -> Result<bool, Failure> {
        let (folder, unfinished) = (self.folder(id), self.unfinished(id));
        let mut found = folder.exists() || unfinished.exists();
        found |= self.end_processes(id).await?;
        if folder.exists() {
            remove_tree(&unfinished).and_then(|()| fs::rename(&folder, &unfinished)).map_err(unavailable)?;
        }
        remove_tree(&unfinished).map_err(unavailable)?;
        Ok(found)
    }

    /// Asked to end, an agent ends its commands first.
    async fn end_processes(&self, id: &SandboxId) -> Result<bool, Failure> {
        let began = Instant::now();
        let mut found = false;
        loop {
            let processes = self.processes(id)?;
            if processes.is_empty() {
                return Ok(found);
            }
            found = true;
            let signal = if began.elapsed() < GRACE { Signal::TERM } else { Signal::KILL };
            for process in processes {
                match kill_process(process, signal) {
                    Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                    Err(error) => return Err(unavailable(error.into())),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    if_there(fs::remove_dir_all(folder))
}

/// What is not there is removed already.
fn if_there(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whatever goes wrong here, nobody knows what it left.
fn unavailable(error: io::Error) -> Failure {
    Failure::new(ErrorKind::Unavailable, "the backend does not answer").caused_by(&error)
}
