//! An extension whose backend is a folder: for tests, and to try things with.

use crate::{
    Call, List, Listed, ObservedState, Provision, Recover, Recovered, SandboxExtension, StatusReport, StatusVerb,
    Teardown, Validate,
};
use async_trait::async_trait;
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Handle, HostId, Object, Reachability, Residue, SandboxId};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Keeps each sandbox as a file of its id in the folder that `config.folder` names. The folder is the inventory: what
/// is not in it does not exist.
#[derive(Debug, Clone, Copy, Default)]
pub struct FolderExtension;

/// What the file of a sandbox says.
#[derive(Serialize, Deserialize)]
struct Kept {
    labels: std::collections::BTreeMap<String, String>,
    inputs: Object,
}

struct Folder(PathBuf);

impl Folder {
    fn of(call: &Call) -> Result<Self, Failure> {
        match call.config.get("folder").and_then(serde_json::Value::as_str) {
            Some(folder) => Ok(Self(folder.into())),
            None => Err(Failure::new(ErrorKind::Precondition, "the manifest's config has no `folder`")
                .with_residue(Residue::None)),
        }
    }

    fn file(&self, sandbox_id: &SandboxId) -> PathBuf {
        self.0.join(sandbox_id.as_str())
    }

    fn kept(&self, sandbox_id: &SandboxId) -> Result<Option<Kept>, Failure> {
        match std::fs::read(self.file(sandbox_id)) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| broken(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(broken(&error)),
        }
    }

    /// At once or not at all: a file that is half written would be nobody's.
    fn keep(&self, sandbox_id: &SandboxId, kept: &Kept) -> io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        let draft = self.0.join(format!(".{sandbox_id}"));
        std::fs::write(&draft, serde_json::to_vec(kept)?)?;
        std::fs::rename(draft, self.file(sandbox_id))
    }

    /// Whether it was there.
    fn remove(&self, sandbox_id: &SandboxId) -> io::Result<bool> {
        let remove = |path: &Path| match std::fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        Ok(remove(&self.0.join(format!(".{sandbox_id}")))? | remove(&self.file(sandbox_id))?)
    }

    fn ids(&self) -> io::Result<Vec<SandboxId>> {
        let entries = match std::fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().parse().ok()));
        names.filter_map(io::Result::transpose).collect()
    }
}

fn broken(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(ErrorKind::Unavailable, "the folder cannot be used").caused_by(error)
}

#[async_trait]
impl SandboxExtension for FolderExtension {
    async fn provision(&self, call: &Call, request: &Provision) -> Result<Handle, Failure> {
        let folder = Folder::of(call)?;
        match folder.kept(&request.sandbox_id)? {
            Some(kept) if kept.inputs != request.inputs => {
                return Err(
                    Failure::new(ErrorKind::Conflict, "it exists with other inputs").with_residue(Residue::Present)
                );
            }
            Some(_) => {}
            None => {
                let kept = Kept { labels: call.labels.clone(), inputs: request.inputs.clone() };
                folder.keep(&request.sandbox_id, &kept).map_err(|error| broken(&error))?;
            }
        }
        Ok(Handle::minimal(&request.sandbox_id, &request.host))
    }

    async fn wait_ready(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        let folder = Folder::of(call)?;
        if folder.kept(&call.sandbox_id)?.is_none() {
            return Err(Failure::new(ErrorKind::NotReady, "it does not exist").with_residue(Residue::None));
        }
        let host = handle.text("host").and_then(|host| host.parse().ok());
        let remote_dir = Some(folder.0.to_string_lossy().into_owned());
        Ok(Reachability { host, remote_dir, ..Reachability::default() })
    }

    async fn teardown(&self, call: &Call, request: &Teardown) -> Result<CleanupReport, Failure> {
        let folder = Folder::of(call)?;
        let removed = folder.remove(&request.sandbox_id).map_err(|error| broken(&error))?;
        let what = format!("file {}", request.sandbox_id);
        let mut report = CleanupReport { complete: true, ..CleanupReport::default() };
        if removed {
            report.removed.push(what)
        } else {
            report.already_absent.push(format!("{what}: not in the folder"))
        }
        Ok(report)
    }

    fn validate(&self) -> Option<&dyn Validate> {
        Some(self)
    }

    fn recover(&self) -> Option<&dyn Recover> {
        Some(self)
    }

    fn list(&self) -> Option<&dyn List> {
        Some(self)
    }

    fn status(&self) -> Option<&dyn StatusVerb> {
        Some(self)
    }

    fn version(&self) -> Option<&str> {
        Some(env!("CARGO_PKG_VERSION"))
    }
}

#[async_trait]
impl Validate for FolderExtension {
    async fn validate(&self, _call: &Call, request: &Provision) -> Result<Object, Failure> {
        Ok(request.inputs.clone())
    }
}

#[async_trait]
impl Recover for FolderExtension {
    async fn recover(&self, call: &Call, host: &HostId, _draft: Option<&Object>) -> Result<Recovered, Failure> {
        let kept = Folder::of(call)?.kept(&call.sandbox_id)?;
        Ok(kept.map_or(Recovered::Absent, |_| Recovered::Present(Handle::minimal(&call.sandbox_id, host))))
    }
}

#[async_trait]
impl List for FolderExtension {
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
        let folder = Folder::of(call)?;
        let mut found = Vec::new();
        for sandbox_id in folder.ids().map_err(|error| broken(&error))? {
            let Some(Kept { labels, .. }) = folder.kept(&sandbox_id)? else { continue };
            if labels.get("sandboxer.owner").is_some_and(|owner| owner == call.owner.as_str()) {
                found.push(Listed { sandbox_id, host: host.clone(), labels, created_at: None });
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl StatusVerb for FolderExtension {
    async fn status(&self, call: &Call, _handle: &Handle) -> Result<StatusReport, Failure> {
        let kept = Folder::of(call)?.kept(&call.sandbox_id)?;
        let state = if kept.is_some() { ObservedState::Running } else { ObservedState::Absent };
        Ok(StatusReport { state, detail: String::new() })
    }
}
