//! The extension `ext.my-backend`: a sandbox is a box, a folder with an agent in it that runs commands.
//!
//! This file is the contract, `backend.rs` what really makes things: put your API, cluster or hypervisor in its place.

mod backend;
mod inputs;

use async_trait::async_trait;
use backend::{Backend, Kept};
use inputs::checked;
use sandboxer_sdk::{
    Call, CallEnd, List, Listed, ObservedState, Provision, Recover, Recovered, SandboxExtension, StatusReport,
    StatusVerb, Teardown, Validate,
};
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Handle, HostId, Object, Reachability, Residue};
use std::time::Duration;

struct MyBackendExtension;

#[async_trait]
impl SandboxExtension for MyBackendExtension {
    async fn provision(&self, call: &Call, request: &Provision) -> Result<Handle, Failure> {
        // Checked here, too: the request may come from elsewhere, or from before the schema was changed.
        let inputs = checked(&request.inputs)?;
        let backend = Backend::open(call).await?;
        match backend.kept(call)? {
            Some(kept) if kept.inputs != inputs => {
                let conflict = Failure::new(ErrorKind::Conflict, "it exists with other inputs");
                return Err(conflict.with_residue(Residue::Present));
            }
            Some(_) => {}
            None => {
                call.check().map_err(|end| end.failure().with_residue(Residue::None))?;
                backend.make(call, &Kept::of(call, inputs))?;
            }
        }
        call.check().map_err(still_present)?;
        // Also when it existed: whoever made it may have been killed before this line.
        if backend.processes(&call.sandbox_id)?.is_empty() {
            backend.start_agent(&call.sandbox_id).await?;
        }
        Ok(Handle::minimal(&request.sandbox_id, &request.host))
    }

    async fn wait_ready(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        let backend = Backend::open(call).await?;
        if backend.kept(call)?.is_none() {
            return Err(Failure::new(ErrorKind::NotFound, "there is no such box").with_residue(Residue::None));
        }
        let backend = backend.unlocked();
        while !backend.answers(&call.sandbox_id) {
            if backend.processes(&call.sandbox_id)?.is_empty() {
                let message = format!("its agent has ended: {}", backend.last_words(&call.sandbox_id));
                return Err(Failure::new(ErrorKind::NotReady, message).with_residue(Residue::Present));
            }
            call.check().map_err(still_present)?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Reachability {
            host: handle.text("host").and_then(|host| host.parse().ok()),
            remote_dir: Some(backend.workspace(&call.sandbox_id).display().to_string()),
            agent: Some(format!("unix:{}", backend.socket(&call.sandbox_id).display())),
            ..Reachability::default()
        })
    }

    async fn teardown(&self, call: &Call, request: &Teardown) -> Result<CleanupReport, Failure> {
        // From the id alone: a handle that was lost says no more.
        let backend = Backend::open(call).await?;
        backend.kept(call)?;
        let found = backend.remove(&request.sandbox_id).await?;
        let what = vec![format!("{} and its agent", backend.folder(&request.sandbox_id).display())];
        let report = CleanupReport { complete: true, ..CleanupReport::default() };
        Ok(if found {
            CleanupReport { removed: what, ..report }
        } else {
            CleanupReport { already_absent: what, ..report }
        })
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
impl Validate for MyBackendExtension {
    async fn validate(&self, _call: &Call, request: &Provision) -> Result<Object, Failure> {
        checked(&request.inputs)
    }
}

#[async_trait]
impl Recover for MyBackendExtension {
    async fn recover(&self, call: &Call, host: &HostId, _draft: Option<&Object>) -> Result<Recovered, Failure> {
        // Under the lock: whoever is making it now has finished, or has not begun.
        let kept = Backend::open(call).await?.kept(call)?;
        Ok(kept.map_or(Recovered::Absent, |_| Recovered::Present(Handle::minimal(&call.sandbox_id, host))))
    }
}

#[async_trait]
impl List for MyBackendExtension {
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
        let listed = |(sandbox_id, kept): (_, Kept)| Listed {
            sandbox_id,
            host: host.clone(),
            labels: kept.labels,
            created_at: Some(kept.created_at),
        };
        Ok(Backend::open(call).await?.all_of(&call.owner)?.into_iter().map(listed).collect())
    }
}

#[async_trait]
impl StatusVerb for MyBackendExtension {
    async fn status(&self, call: &Call, _handle: &Handle) -> Result<StatusReport, Failure> {
        let backend = Backend::open(call).await?;
        let state = match backend.kept(call)? {
            None => ObservedState::Absent,
            Some(_) if backend.answers(&call.sandbox_id) => ObservedState::Running,
            Some(_) => ObservedState::Stopped,
        };
        Ok(StatusReport { state, detail: String::new() })
    }
}

fn still_present(end: CallEnd) -> Failure {
    end.failure().with_residue(Residue::Present)
}

fn main() -> std::process::ExitCode {
    sandboxer_sdk::serve(MyBackendExtension)
}
