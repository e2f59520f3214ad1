//! The engine: what is handed to it, and what every operation needs of that.

use crate::by_hand::why_missing;
use crate::catalog::{Catalog, CatalogExtension};
use crate::control::Context;
use crate::journal::Journal;
use crate::machines::Machines;
use crate::ownership::Liveness;
use crate::secrets::Secrets;
use crate::state::{Observation, Operation, OperationKind, ProcessId, Record, describe};
use crate::store::{NewEvent, Store};
use async_trait::async_trait;
use sandboxer_sdk::{Call, Clock, CommandRunner, Ids, SandboxExtension};
use sandboxer_types::{
    ErrorKind, ExtensionId, Failure, Object, Residue, SandboxId, SandboxStatus, SecretDeclaration, SshDestination,
    Timeouts, Verb,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Opens the extensions that the catalog knows.
#[async_trait]
pub trait Extensions: Send + Sync {
    /// The extension, ready to be called. May have to start it, to ask what it can do.
    async fn open(&self, extension: &CatalogExtension) -> Result<Arc<dyn SandboxExtension>, Failure>;
}

/// How long the engine waits, and how often it tries again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For `provision`, when the manifest says nothing.
    pub provision: Duration,
    /// For `wait_ready`, when the manifest says nothing.
    pub wait_ready: Duration,
    /// For `teardown`, when the manifest says nothing.
    pub teardown: Duration,
    /// For the verbs that only look or renew.
    pub query: Duration,
    /// For what is done on the machine that a sandbox is reached through: an agent may have to be put there.
    pub attach: Duration,
    /// For a call to answer after it was cancelled or ran out of time.
    pub answer: Duration,
    /// How often a call is tried whose failure says that trying again may help.
    pub attempts: u32,
    /// How long before the second attempt; doubled for each further one.
    pub backoff: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            provision: Duration::from_secs(15 * 60),
            wait_ready: Duration::from_secs(10 * 60),
            teardown: Duration::from_secs(10 * 60),
            query: Duration::from_secs(30),
            attach: Duration::from_secs(5 * 60),
            answer: Duration::from_secs(10),
            attempts: 3,
            backoff: Duration::from_millis(200),
        }
    }
}

/// Everything an engine is built from.
#[derive(Clone)]
pub struct Parts {
    /// What must survive.
    pub store: Arc<dyn Store>,
    /// What can be asked for.
    pub catalog: Arc<Catalog>,
    /// Who makes it.
    pub extensions: Arc<dyn Extensions>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where fresh ids come from.
    pub ids: Arc<dyn Ids>,
    /// Under which name this process claims sandboxes.
    pub process: ProcessId,
    /// Whether other processes live.
    pub liveness: Arc<dyn Liveness>,
    /// How machines are reached by ssh.
    pub machines: Arc<dyn Machines>,
    /// The secrets of extensions.
    pub secrets: Arc<dyn Secrets>,
    /// Runs the commands of extensions.
    pub runner: Arc<dyn CommandRunner>,
    /// How long to wait.
    pub patience: Patience,
    /// What `~` means in a profile's `expose`.
    pub home: Option<PathBuf>,
}

/// The engine.
pub struct Broker {
    pub(crate) parts: Parts,
}

/// An extension that was chosen for a sandbox, with what its manifest says of calls.
pub(crate) struct Placement {
    pub(crate) id: ExtensionId,
    pub(crate) extension: Arc<dyn SandboxExtension>,
    pub(crate) config: Object,
    pub(crate) timeouts: Timeouts,
    pub(crate) secrets: BTreeMap<String, SecretDeclaration>,
}

/// A record this process has claimed: the new form of it, and the epoch that the store still holds.
pub(crate) struct Claim {
    pub(crate) record: Record,
    pub(crate) expected_epoch: i64,
    pub(crate) events: Vec<NewEvent>,
}

impl Broker {
    /// An engine of these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The extension under `id`, ready to be called.
    pub(crate) async fn placement(&self, id: &ExtensionId) -> Result<Placement, Failure> {
        let entry = self.parts.catalog.extension(id).map_err(Failure::from)?;
        let extension = self.parts.extensions.open(entry).await?;
        let manifest = &entry.manifest;
        Ok(Placement {
            id: id.clone(),
            extension,
            config: manifest.config.clone(),
            timeouts: manifest.timeouts,
            secrets: manifest.secrets.clone(),
        })
    }

    /// The record of `sandbox_id`, or `not_found`.
    pub(crate) async fn record(&self, sandbox_id: &SandboxId) -> Result<Record, Failure> {
        self.parts.store.get(sandbox_id).await?.ok_or_else(|| no_such_sandbox(sandbox_id.as_str()))
    }

    /// Describes a record with what can be seen from here without waiting for anybody.
    pub(crate) fn describe(&self, record: &Record) -> SandboxStatus {
        let parts = &self.parts;
        let extension = parts.catalog.extension(&record.extension);
        let observation = Observation {
            owner_is_dead: record.operation.as_ref().is_some_and(|operation| !self.is_alive(&operation.by)),
            tether_is_dead: record.tether.as_ref().is_some_and(|tether| !parts.liveness.tether_is_alive(tether)),
            // By the manifest's word: a look starts no process.
            offers_connect: extension.as_ref().is_ok_and(|known| known.manifest.declares(Verb::Connect)),
            missing: extension.err().map(|miss| why_missing(&record.extension, &miss)),
        };
        describe(record, &observation, parts.clock.as_ref())
    }

    pub(crate) fn is_alive(&self, process: &ProcessId) -> bool {
        *process == self.parts.process || self.parts.liveness.is_alive(process)
    }

    /// Claims a record for an operation, unless a living process works on it. What a dead one has left running is ended
    /// first, so that it finishes nothing later. Nothing is written yet.
    pub(crate) async fn claim(&self, mut record: Record, kind: OperationKind) -> Result<Claim, Failure> {
        let mut events = Vec::new();
        if let Some(operation) = &record.operation {
            if self.is_alive(&operation.by) {
                return Err(Failure::new(
                    ErrorKind::Busy,
                    format!("another process is working on `{}`", record.sandbox_id),
                )
                .with_residue(Residue::Present)
                .with_hint("wait until it is done, or end that process: what it leaves is taken over"));
            }
            self.parts.liveness.bury(&operation.by).await?;
            events.push(crate::journal::taken_over(operation.kind, &operation.by));
            // What the dead process had sent, nobody knows.
            record.ambiguous = true;
        }
        let expected_epoch = record.epoch;
        record.epoch += 1;
        record.operation = Some(Operation { kind, by: self.parts.process.clone() });
        Ok(Claim { record, expected_epoch, events })
    }

    /// A journal for a record that the store holds in this form.
    pub(crate) fn journal(&self, record: Record, context: &Context) -> Arc<Journal> {
        Journal::new(self.parts.store.clone(), self.parts.clock.clone(), context.observer.clone(), record)
    }

    /// A call of an extension's `verb` about `record`, with the secrets of that verb.
    pub(crate) fn call(
        &self,
        record: &Record,
        placement: &Placement,
        verb: &str,
        journal: Arc<Journal>,
        context: &Context,
        limit: Duration,
    ) -> Result<Call, Failure> {
        Ok(Call {
            sandbox_id: record.sandbox_id.clone(),
            intent: Some(record.intent()),
            owner: self.parts.store.owner().clone(),
            ssh: self.ssh_of(record),
            attempt: 1,
            deadline: Instant::now() + limit,
            cancel: context.cancel.clone(),
            secrets: self.secrets(placement, verb)?,
            labels: self.labels(record),
            config: placement.config.clone(),
            runner: self.parts.runner.clone(),
            sink: journal,
        })
    }

    /// A short call of an extension's `verb` with the secrets of that verb, about a sandbox that may have no record, on the host
    /// that ssh finds there.
    pub(crate) fn query(
        &self,
        sandbox_id: &SandboxId,
        ssh: Option<SshDestination>,
        placement: &Placement,
        verb: &str,
    ) -> Result<Call, Failure> {
        let mut call = Call::detached(sandbox_id.clone(), self.parts.store.owner().clone());
        call.ssh = ssh;
        call.deadline = Instant::now() + self.parts.patience.query;
        call.secrets = self.secrets(placement, verb)?;
        call.config.clone_from(&placement.config);
        call.runner = self.parts.runner.clone();
        Ok(call)
    }

    /// The same about a sandbox that exists.
    pub(crate) fn query_about(&self, record: &Record, placement: &Placement, verb: Verb) -> Result<Call, Failure> {
        let mut call = self.query(&record.sandbox_id, self.ssh_of(record), placement, verb.as_str())?;
        call.intent = Some(record.intent());
        call.labels = self.labels(record);
        Ok(call)
    }

    fn labels(&self, record: &Record) -> BTreeMap<String, String> {
        let mut labels = record.labels.clone();
        labels.insert("sandboxer.owner".to_owned(), self.parts.store.owner().to_string());
        labels.insert("sandboxer.id".to_owned(), record.sandbox_id.to_string());
        labels.insert("sandboxer.consumer".to_owned(), record.consumer.to_string());
        labels
    }
}

pub(crate) fn no_such_sandbox(text: &str) -> Failure {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    Failure::new(ErrorKind::NotFound, format!("no sandbox `{shown}`"))
        .with_residue(Residue::None)
        .with_hint("`sandboxer ls --all` lists those that exist and existed")
}
