//! What the engine does with extensions that lack something, break the contract, say how they are reached, or are gone.

mod breaches;
mod connect;
mod failures;
mod missing;
mod secrets;

use sandboxer_broker::catalog::CatalogSource;
use sandboxer_broker::{Broker, Context, Control};
use sandboxer_testing::{Ended, Machine};
use sandboxer_types::{ConditionKind, Failure, Object, SandboxId, SandboxStatus};
use std::path::Path;

/// Does `work` in a process of its own.
async fn with<T>(machine: &Machine, work: impl AsyncFnOnce(&Broker) -> T) -> T {
    match machine.start(None).expect("the store opens").run(work).await {
        Ended::Normally(result) => result,
        Ended::Crashed => unreachable!("this process has no fatal instant"),
    }
}

async fn create(machine: &Machine) -> Result<SandboxStatus, Failure> {
    with(machine, async |b: &Broker| b.create(machine.request(), true, &Context::default()).await).await
}

async fn remove(machine: &Machine, id: &SandboxId) -> SandboxStatus {
    with(machine, async |b: &Broker| b.remove(id, &Context::default()).await.expect("an attempt")).await
}

async fn show(machine: &Machine, id: &SandboxId) -> SandboxStatus {
    with(machine, async |b: &Broker| b.show(id).await.expect("known")).await
}

/// The detail of a condition, when it holds.
fn detail(status: &SandboxStatus, kind: ConditionKind) -> Option<&str> {
    status.conditions.iter().find(|condition| condition.kind == kind).map(|condition| condition.detail.as_str())
}

fn object(value: serde_json::Value) -> Object {
    value.as_object().cloned().expect("an object")
}

/// A folder with the usual manifest and profile, to be changed.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in Machine::usual_catalog() {
            files.write(name, text);
        }
        files
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("ours");
        std::fs::write(path, text).expect("ours");
    }

    fn manifest() -> &'static str {
        Machine::usual_catalog()[0].1
    }

    fn write_manifest(&self, text: &str) {
        self.write("extensions/ext.fake.yaml", text);
    }

    fn remove_manifest(&self) {
        std::fs::remove_file(self.path().join("extensions/ext.fake.yaml")).expect("there");
    }

    /// They are trusted by being named.
    fn given(&self) -> Vec<CatalogSource> {
        vec![CatalogSource::Given(self.path().to_owned())]
    }

    /// They stand in the working directory, and nobody has trusted it.
    fn untrusted(&self) -> Vec<CatalogSource> {
        vec![CatalogSource::WorkingDirectory(self.path().to_owned())]
    }
}
