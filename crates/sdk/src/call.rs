//! What surrounds one call of an extension.

use crate::extension::Intent;
use crate::runner::{CommandRunner, SystemRunner};
use sandboxer_types::{ErrorKind, Failure, Object, OwnerId, SandboxId, SshDestination};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How far a call has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The phase, in a word.
    pub phase: String,
    /// What is going on, in a sentence.
    pub message: String,
    /// How much of it is done, where it can be counted.
    pub current: Option<u64>,
    /// Of how much.
    pub total: Option<u64>,
}

impl Progress {
    /// Progress that cannot be counted.
    pub fn new(phase: impl Into<String>, message: impl Into<String>) -> Self {
        Self { phase: phase.into(), message: message.into(), current: None, total: None }
    }
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = sandboxer_types::schema::words))]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Told for the record.
    Info,
    /// Something a person should know.
    Warning,
}

/// Where an extension's words go while a call is in flight.
#[async_trait::async_trait]
pub trait CallSink: Send + Sync {
    /// Shows progress to whoever waits.
    fn progress(&self, progress: Progress);
    /// Keeps a line.
    fn log(&self, level: LogLevel, line: String);
    /// Makes ids the backend has given durable. Returns once they are.
    async fn checkpoint(&self, draft: Object) -> Result<(), Failure>;
}

/// Hears everything and keeps nothing; for tests and tools.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

#[async_trait::async_trait]
impl CallSink for Silent {
    fn progress(&self, _progress: Progress) {}
    fn log(&self, _level: LogLevel, _line: String) {}
    async fn checkpoint(&self, _draft: Object) -> Result<(), Failure> {
        Ok(())
    }
}

/// Why a call has to stop early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// The caller withdrew.
    Cancelled,
    /// Its time is up.
    Deadline,
}

impl CallEnd {
    /// The failure to answer with; add the residue that is true.
    pub fn failure(self) -> Failure {
        match self {
            Self::Cancelled => Failure::new(ErrorKind::Cancelled, "the call was cancelled"),
            Self::Deadline => Failure::new(ErrorKind::Deadline, "the call ran out of time"),
        }
    }
}

/// One call: whose it is, how long it may take, and everything it may use.
#[derive(Clone)]
pub struct Call {
    /// Which sandbox it is about.
    pub sandbox_id: SandboxId,
    /// What that was meant to be, where it is known; never for an orphan.
    pub intent: Option<Intent>,
    /// Which state directory asks.
    pub owner: OwnerId,
    /// Where ssh finds the machine that the call is about; `None` for this one, which needs no ssh.
    pub ssh: Option<SshDestination>,
    /// How often this has been tried, from 1.
    pub attempt: u32,
    /// When it must have answered.
    pub deadline: Instant,
    /// Turned when the caller withdraws; the call must still answer, with its residue.
    pub cancel: CancellationToken,
    /// The secrets this verb is handed.
    pub secrets: BTreeMap<String, String>,
    /// What everything it makes must be labelled with.
    pub labels: BTreeMap<String, String>,
    /// Settings from the manifest.
    pub config: Object,
    /// Runs commands, so that tests can stand in for them.
    pub runner: Arc<dyn CommandRunner>,
    /// Where its words go.
    pub sink: Arc<dyn CallSink>,
}

impl Call {
    /// A call with an hour's time, no secrets and nobody listening; for tests and tools.
    pub fn detached(sandbox_id: SandboxId, owner: OwnerId) -> Self {
        let labels = BTreeMap::from([
            ("sandboxer.owner".to_owned(), owner.to_string()),
            ("sandboxer.id".to_owned(), sandbox_id.to_string()),
        ]);
        Self {
            sandbox_id,
            intent: None,
            owner,
            ssh: None,
            attempt: 1,
            deadline: Instant::now() + Duration::from_secs(3600),
            cancel: CancellationToken::new(),
            secrets: BTreeMap::new(),
            labels,
            config: Object::new(),
            runner: Arc::new(SystemRunner::default()),
            sink: Arc::new(Silent),
        }
    }

    /// Shows progress to whoever waits.
    pub fn progress(&self, phase: &str, message: impl Into<String>) {
        self.sink.progress(Progress::new(phase, message));
    }

    /// Keeps a line in the sandbox's log.
    pub fn log(&self, line: impl Into<String>) {
        self.sink.log(LogLevel::Info, line.into());
    }

    /// Keeps a line that a person should see.
    pub fn warn(&self, line: impl Into<String>) {
        self.sink.log(LogLevel::Warning, line.into());
    }

    /// Resolves when the call has to stop early.
    pub async fn ended(&self) -> CallEnd {
        tokio::select! {
            () = self.cancel.cancelled() => CallEnd::Cancelled,
            () = tokio::time::sleep_until(self.deadline) => CallEnd::Deadline,
        }
    }

    /// Whether the call has to stop now.
    pub fn check(&self) -> Result<(), CallEnd> {
        if self.cancel.is_cancelled() {
            Err(CallEnd::Cancelled)
        } else if Instant::now() >= self.deadline {
            Err(CallEnd::Deadline)
        } else {
            Ok(())
        }
    }
}
