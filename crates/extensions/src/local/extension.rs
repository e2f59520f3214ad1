//! The extension itself: the verbs, each in a file of its own.

use super::folder::{AGENT_SOCKET, Folder, RootFolder};
use super::{admission, control, health, lock, provision, teardown};
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_sdk::{
    Call, Clock, Extend, List, Listed, ObservedState, Provision, Recover, Recovered, SandboxExtension, StatusReport,
    StatusVerb, SystemClock, Teardown, Validate,
};
use sandboxer_types::{
    CleanupReport, ErrorKind, Failure, Handle, HostId, Object, OwnerId, Reachability, Residue, SandboxId, TimeSpan,
};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the extension must be given.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// The folder for its sandboxes: absolute, in the state directory, this extension's alone.
    pub root: PathBuf,
    /// The program that dispatches to [`supervise`](super::supervise) and [`agent_inside`](super::agent_inside); normally
    /// `/proc/self/exe`.
    pub executable: PathBuf,
    /// Whose sandboxes these are.
    pub owner: OwnerId,
}

/// `ext.local`.
#[derive(Clone)]
pub struct LocalExtension {
    settings: LocalSettings,
    clock: Arc<dyn Clock>,
}

impl LocalExtension {
    /// An extension with these settings.
    pub fn new(settings: LocalSettings) -> Self {
        Self { settings, clock: Arc::new(SystemClock) }
    }

    /// Tells the time by another clock. Leases are measured by the kernel's, whatever this one says.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn root(&self) -> &Path {
        &self.settings.root
    }

    pub(crate) fn executable(&self) -> &Path {
        &self.settings.executable
    }

    /// Opens the folder of this owner's sandbox. `None` when there is none: another owner's is nobody's business.
    fn find(&self, id: &SandboxId, owner: &OwnerId) -> Result<Option<Folder>, Failure> {
        let root = RootFolder::open(self.root()).map_err(cannot_look)?;
        let folder = root.map_or(Ok(None), |root| root.find(id)).map_err(cannot_look)?;
        match folder {
            Some(folder) if is_of(&folder, owner).map_err(cannot_look)? => Ok(Some(folder)),
            _ => Ok(None),
        }
    }
}

/// Whether a sandbox is this owner's. One that nobody has claimed yet is whoever asks for it.
pub(crate) fn is_of(folder: &Folder, owner: &OwnerId) -> io::Result<bool> {
    Ok(folder.journal()?.intent.is_none_or(|intent| intent.owner == *owner))
}

fn cannot_look(error: io::Error) -> Failure {
    Failure::new(ErrorKind::Internal, format!("cannot look at the sandboxes' folder: {error}"))
}

fn id_of(handle: &Handle) -> Result<SandboxId, Failure> {
    let id = handle.text("sandbox_id").and_then(|id| id.parse().ok());
    id.ok_or_else(|| Failure::new(ErrorKind::InvalidInput, "the handle has no valid `sandbox_id`"))
}

fn not_found(id: &SandboxId) -> Failure {
    Failure::new(ErrorKind::NotFound, format!("there is no sandbox `{id}`")).with_residue(Residue::None)
}

/// A sandbox of this machine is on no other.
fn check_host(host: &HostId) -> Result<(), Failure> {
    if host.is_localhost() {
        return Ok(());
    }
    Err(Failure::new(ErrorKind::Unsupported, format!("`ext.local` makes sandboxes on `localhost`, not on `{host}`"))
        .with_residue(Residue::None)
        .with_hint("leave `--host` out, or choose a profile whose extension goes to other machines"))
}

#[async_trait]
impl SandboxExtension for LocalExtension {
    fn ends_with_this_machine(&self) -> bool {
        true
    }

    async fn provision(&self, call: &Call, request: &Provision) -> Result<Handle, Failure> {
        check_host(&request.host)?;
        provision::provision(self, call, request).await
    }

    async fn wait_ready(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        let id = id_of(handle)?;
        let folder = self.find(&id, &call.owner)?.ok_or_else(|| not_found(&id))?;
        tokio::select! {
            healthy = health::check(&folder) => healthy?,
            end = call.ended() => return Err(end.failure().with_residue(Residue::Present)),
        }
        let record = folder.journal().map_err(cannot_look)?.supervisor;
        Ok(Reachability {
            remote_dir: Some(admission::WORKSPACE.to_owned()),
            host: Some(HostId::localhost()),
            agent: Some(format!("unix:{}", folder.path().join(AGENT_SOCKET).display())),
            limits_unenforced: record.map(|record| record.limits_unenforced).unwrap_or_default(),
            ..Reachability::default()
        })
    }

    async fn teardown(&self, call: &Call, request: &Teardown) -> Result<CleanupReport, Failure> {
        teardown::teardown(self, call, request).await
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

    fn extend(&self) -> Option<&dyn Extend> {
        Some(self)
    }
}

#[async_trait]
impl Validate for LocalExtension {
    async fn validate(&self, _call: &Call, request: &Provision) -> Result<Object, Failure> {
        check_host(&request.host)?;
        Ok(request.inputs.clone())
    }
}

#[async_trait]
impl Recover for LocalExtension {
    async fn recover(&self, call: &Call, host: &HostId, _draft: Option<&Object>) -> Result<Recovered, Failure> {
        let Some(folder) = self.find(&call.sandbox_id, &call.owner)? else { return Ok(Recovered::Absent) };
        let record = folder.journal().map_err(cannot_look)?.supervisor;
        if record.is_none() && lock::is_held(&folder).map_err(cannot_look)? {
            return Ok(Recovered::InProgress);
        }
        let path = folder.path().to_string_lossy().into_owned();
        Ok(Recovered::Present(Handle::minimal(&call.sandbox_id, host).with("folder", path)))
    }
}

#[async_trait]
impl List for LocalExtension {
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
        let Some(root) = RootFolder::open(self.root()).map_err(cannot_look)? else { return Ok(Vec::new()) };
        let mut listed = Vec::new();
        for id in root.ids().map_err(cannot_look)? {
            let Some(folder) = root.find(&id).map_err(cannot_look)? else { continue };
            let intent = folder.journal().map_err(cannot_look)?.intent;
            // An attempt that died before it wrote its intent down: the folder is this extension's, so is what is in it.
            let owner = intent.as_ref().map_or(&self.settings.owner, |intent| &intent.owner);
            if *owner == call.owner && *host == HostId::localhost() {
                listed.push(Listed {
                    sandbox_id: id,
                    host: host.clone(),
                    labels: intent.as_ref().map(|intent| intent.labels.clone()).unwrap_or_default(),
                    created_at: intent.map(|intent| intent.created_at),
                });
            }
        }
        Ok(listed)
    }
}

#[async_trait]
impl StatusVerb for LocalExtension {
    async fn status(&self, call: &Call, handle: &Handle) -> Result<StatusReport, Failure> {
        let report = |state, detail: &str| Ok(StatusReport { state, detail: detail.to_owned() });
        let Some(folder) = self.find(&id_of(handle)?, &call.owner)? else {
            return report(ObservedState::Absent, "it has no folder");
        };
        let supervised = folder.journal().map_err(cannot_look)?.supervisor.is_some();
        match (lock::is_held(&folder).map_err(cannot_look)?, supervised) {
            (true, true) => report(ObservedState::Running, "its supervisor lives"),
            (true, false) => report(ObservedState::Busy, "it is being made or removed"),
            (false, _) => report(ObservedState::Error, "its supervisor is gone; a teardown removes what is left"),
        }
    }
}

#[async_trait]
impl Extend for LocalExtension {
    async fn extend(&self, call: &Call, handle: &Handle, ttl: TimeSpan) -> Result<Timestamp, Failure> {
        let id = id_of(handle)?;
        let folder = self.find(&id, &call.owner)?.ok_or_else(|| not_found(&id))?;
        let ends = self.clock.now().checked_add(ttl.as_duration()).unwrap_or(Timestamp::MAX);
        let deadline = provision::after_boot(ttl.as_duration());
        let moved = tokio::select! {
            moved = control::ask_to_live_until(&folder, deadline) => moved.map_err(cannot_look)?,
            end = call.ended() => return Err(end.failure().with_residue(Residue::Present)),
        };
        if moved { Ok(ends) } else { Err(not_found(&id)) }
    }
}
