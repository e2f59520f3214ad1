//! A machine that exists only in memory.

use super::reached::MOST_OUTPUT;
use super::{Machine, Machines, SyncReport};
use async_trait::async_trait;
use sandboxer_reach::Route;
use sandboxer_sdk::testing::FakeHost;
use sandboxer_sdk::{CommandLine, CommandOutput, CommandRunner};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A machine of files and programs in memory, with the leases that were placed on it.
#[derive(Clone)]
pub struct FakeMachine {
    host: FakeHost,
    route: Route,
    leases: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

impl FakeMachine {
    /// That machine, wherever anybody looks for one.
    pub fn new(host: FakeHost) -> Self {
        Self { host, route: Route::Here, leases: Arc::default() }
    }

    /// Its files, programs and history.
    pub fn host(&self) -> &FakeHost {
        &self.host
    }

    /// The leases that are on it: name, and what is run when it runs out.
    pub fn leases(&self) -> BTreeMap<String, Vec<String>> {
        self.table().clone()
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answers(&self) -> Result<(), Failure> {
        self.run(&CommandLine::new(["true"]), Duration::from_secs(1)).await.map(drop)
    }
}

#[async_trait]
impl Machines for FakeMachine {
    async fn open(&self, route: &Route) -> Result<Arc<dyn Machine>, Failure> {
        self.answers().await.map_err(|failure| failure.with_residue(Residue::None))?;
        Ok(Arc::new(Self { route: route.clone(), ..self.clone() }))
    }
}

#[async_trait]
impl Machine for FakeMachine {
    fn route(&self) -> &Route {
        &self.route
    }

    async fn run(&self, command: &CommandLine, limit: Duration) -> Result<CommandOutput, Failure> {
        let output = self.host.run(command, limit).await.map_err(|fault| {
            Failure::new(ErrorKind::HostUnreachable, "the machine does not answer")
                .with_residue(Residue::Unknown)
                .caused_by(&fault)
        })?;
        // As on a machine that is there.
        if output.success() && output.stdout.len() > MOST_OUTPUT {
            return Err(
                Failure::new(ErrorKind::Unavailable, "a part of the answer is lost").with_residue(Residue::Unknown)
            );
        }
        Ok(output)
    }

    async fn sync(&self, source: &Path, target: &str) -> Result<SyncReport, Failure> {
        self.answers().await?;
        let failed = |error: std::io::Error| Failure::invalid_input("the folder cannot be read").caused_by(&error);
        let mut report = SyncReport::default();
        for entry in std::fs::read_dir(source).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let bytes = std::fs::read(entry.path()).map_err(failed)?;
            let path = format!("{target}/{}", entry.file_name().to_string_lossy());
            report.entries += 1;
            if self.host.read(&path).as_ref() != Some(&bytes) {
                report.sent += 1;
                report.bytes += bytes.len() as u64;
                self.host.write(&path, bytes);
            }
        }
        Ok(report)
    }

    async fn place_lease(&self, name: &str, _span: Duration, expire: &[String]) -> Result<(), Failure> {
        self.answers().await?;
        self.table().insert(name.to_owned(), expire.to_vec());
        Ok(())
    }

    async fn release_lease(&self, name: &str) -> Result<bool, Failure> {
        self.answers().await?;
        Ok(self.table().remove(name).is_some())
    }

    async fn agent_path(&self) -> Result<String, Failure> {
        self.answers().await?;
        Ok("/home/user/.cache/sandboxer/agent".to_owned())
    }
}
