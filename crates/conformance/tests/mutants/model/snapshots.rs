//! What is kept of sandboxes, and what is made from it.

use super::Model;
use super::making::Source;
use crate::cloud::{BackendId, Cloud, Thing};
use crate::mutation::Mutation;
use async_trait::async_trait;
use sandboxer_sdk::{Call, Fork, Provision, Snapshots};
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Handle, HostId, Residue, SandboxId, Snapshot, SnapshotKind};

const LABEL: &str = "sandboxer.snapshot";

impl Model {
    fn kept(&self, call: &Call, cloud: &Cloud, snapshot_id: &str) -> Result<Vec<(BackendId, Thing)>, Failure> {
        Ok(cloud.find_snapshots(&[(LABEL, snapshot_id), ("sandboxer.owner", call.owner.as_str())])?)
    }
}

fn told(snapshot_id: &str) -> Snapshot {
    Snapshot {
        snapshot_id: snapshot_id.to_owned(),
        kind: SnapshotKind::Filesystem,
        size_bytes: None,
        location: Some("the backend's folder of snapshots".to_owned()),
    }
}

#[async_trait]
impl Snapshots for Model {
    async fn snapshot(
        &self,
        call: &Call,
        _handle: &Handle,
        snapshot_id: &str,
        kind: SnapshotKind,
    ) -> Result<Snapshot, Failure> {
        if kind != SnapshotKind::Filesystem {
            let failure = Failure::new(ErrorKind::Unsupported, "only files are kept");
            return Err(failure.with_residue(Residue::None));
        }
        let cloud = self.cloud(call)?;
        let _turn = self.turn(call, &cloud).await?;
        if self.kept(call, &cloud, snapshot_id)?.is_empty() {
            let id = self.the_one(call)?;
            let mut labels = call.labels.clone();
            labels.remove("sandboxer.id");
            labels.insert(LABEL.to_owned(), snapshot_id.to_owned());
            labels.insert("source".to_owned(), id.clone());
            cloud.keep(&id, &labels)?;
        }
        Ok(told(snapshot_id))
    }

    async fn restore(&self, call: &Call, snapshot_id: &str, request: &Provision) -> Result<Handle, Failure> {
        let cloud = self.cloud(call)?;
        let found = self.kept(call, &cloud, snapshot_id)?;
        let missing = || Failure::new(ErrorKind::NotFound, "there is no such snapshot").with_residue(Residue::None);
        let (id, thing) = found.first().ok_or_else(missing)?;
        if self.is(Mutation::SnapshotsGoWithTheirSource) && cloud.get(&thing.labels["source"])?.is_none() {
            return Err(missing());
        }
        self.make(call, request, &Source::Files(cloud.files(id, true))).await
    }

    async fn list_snapshots(&self, call: &Call, _host: &HostId) -> Result<Vec<Snapshot>, Failure> {
        let found = self.cloud(call)?.find_snapshots(&[("sandboxer.owner", call.owner.as_str())])?;
        Ok(found.iter().filter_map(|(_, thing)| thing.labels.get(LABEL)).map(|id| told(id)).collect())
    }

    async fn delete_snapshot(&self, call: &Call, _host: &HostId, snapshot_id: &str) -> Result<CleanupReport, Failure> {
        let cloud = self.cloud(call)?;
        let mut report = CleanupReport { complete: true, ..CleanupReport::default() };
        for (id, _) in self.kept(call, &cloud, snapshot_id)? {
            cloud.delete_snapshot(&id)?;
            report.removed.push(format!("`{id}`, which was {snapshot_id}"));
        }
        if report.removed.is_empty() {
            report.already_absent.push(format!("{snapshot_id}: the backend has nothing with its label"));
        }
        Ok(report)
    }
}

#[async_trait]
impl Fork for Model {
    async fn fork(&self, call: &Call, source: &Handle, request: &Provision) -> Result<Handle, Failure> {
        let wrong = || Failure::invalid_input("the source is no handle").with_field("source", "it has no `sandbox_id`");
        let sandbox_id: SandboxId = source.text("sandbox_id").and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
        let of_source = Call { sandbox_id, ..call.clone() };
        let cloud = self.cloud(call)?;
        let files = cloud.files(&self.the_one(&of_source)?, false);
        let handle = self.make(call, request, &Source::Files(files.clone())).await?;
        if self.is(Mutation::ForksShareTheirFiles) {
            let shared = cloud.files(&self.the_one(call)?, false);
            std::fs::remove_dir_all(&shared).and_then(|()| std::os::unix::fs::symlink(files, shared)).unwrap();
        }
        Ok(handle)
    }
}
