//! Every operation of sand-boxer, once.

use crate::reconcile::{OrphanReport, ReconcileReport};
use crate::store::{EventFilter, RecordFilter};
use async_trait::async_trait;
use sandboxer_reach::{Execution, Session};
use sandboxer_sdk::{LogLevel, Progress};
use sandboxer_types::{
    Event, Failure, Object, Profile, SandboxCreateRequest, SandboxId, SandboxStatus, State, TimeSpan,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Sees what an operation does while it does it.
pub trait Observer: Send + Sync {
    /// How far it has come.
    fn progress(&self, progress: &Progress);
    /// A line of set-up or of the extension.
    fn log(&self, level: LogLevel, line: &str);
    /// A sandbox's new state, already durable.
    fn moved(&self, sandbox_id: &SandboxId, state: State);
}

/// An observer that shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn progress(&self, _progress: &Progress) {}
    fn log(&self, _level: LogLevel, _line: &str) {}
    fn moved(&self, _sandbox_id: &SandboxId, _state: State) {}
}

/// What surrounds one operation.
#[derive(Clone)]
pub struct Context {
    /// Turned when the caller withdraws.
    pub cancel: CancellationToken,
    /// Sees what is done.
    pub observer: Arc<dyn Observer>,
}

impl Default for Context {
    fn default() -> Self {
        Self { cancel: CancellationToken::new(), observer: Arc::new(Unobserved) }
    }
}

/// Which sandboxes to list.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// By what the store knows.
    pub records: RecordFilter,
    /// With all of these labels only.
    pub labels: BTreeMap<String, String>,
}

/// How orphans are looked for.
#[derive(Debug, Clone, Copy)]
pub struct OrphanSearch {
    /// Remove what may be removed.
    pub sweep: bool,
    /// Only what was first seen at least this long ago. Long enough that no create can still be under way.
    pub minimum_age: Duration,
    /// How many to remove at most.
    pub cap: usize,
}

/// A way into a ready sandbox, with what its profile says of commands there.
pub struct Entrance {
    /// Which sandbox.
    pub status: SandboxStatus,
    /// Its profile, as it was when the sandbox was asked for.
    pub profile: Profile,
    /// The way in.
    pub session: Arc<dyn Session>,
}

/// The folder of a ready sandbox's workspace, and a way to it.
pub struct Workspace {
    /// Where it is; `None` where nobody has said.
    pub folder: Option<String>,
    /// What it was made from: the sandbox's input `repo`.
    pub repo: Option<String>,
    /// The way to it: into the sandbox, or to its machine where the workspace is beside what commands enter.
    pub session: Arc<dyn Session>,
}

/// Everything sand-boxer can do. The engine implements it, and so does a client of an engine elsewhere; command line
/// and servers only translate to and from it.
#[async_trait]
pub trait Control: Send + Sync {
    /// Makes a sandbox and waits until it is ready. With `wait` false, returns once its making is under way.
    async fn create(
        &self,
        request: SandboxCreateRequest,
        wait: bool,
        context: &Context,
    ) -> Result<SandboxStatus, Failure>;

    /// The sandbox that `text` means: an id, a unique prefix or suffix of one, or a name.
    async fn resolve(&self, text: &str) -> Result<SandboxId, Failure>;

    /// Sandboxes, oldest first. Only reads.
    async fn list(&self, filter: &ListFilter) -> Result<Vec<SandboxStatus>, Failure>;

    /// One sandbox. Only reads.
    async fn show(&self, sandbox_id: &SandboxId) -> Result<SandboxStatus, Failure>;

    /// A way into a ready sandbox.
    async fn enter(&self, sandbox_id: &SandboxId) -> Result<Entrance, Failure>;

    /// A way to the workspace of a ready sandbox.
    async fn workspace(&self, sandbox_id: &SandboxId) -> Result<Workspace, Failure>;

    /// What the services of a ready sandbox say: the output of a command of the machine that it is on, which goes on with
    /// `follow` until it is signalled. `None` where the extension named no such command.
    async fn service_logs(&self, sandbox_id: &SandboxId, follow: bool) -> Result<Option<Execution>, Failure>;

    /// Lets a sandbox live `span` from now.
    async fn extend(&self, sandbox_id: &SandboxId, span: TimeSpan) -> Result<SandboxStatus, Failure>;

    /// Removes a sandbox. When the cleanup stays incomplete, the status says what is owed.
    async fn remove(&self, sandbox_id: &SandboxId, context: &Context) -> Result<SandboxStatus, Failure>;

    /// Closes a record by hand. What may be left is no longer ours to remove.
    async fn forget(&self, sandbox_id: &SandboxId, note: &str) -> Result<SandboxStatus, Failure>;

    /// The log. Only reads.
    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, Failure>;

    /// Finishes or removes whatever dead processes and expired leases left. With `dry_run`, only says what it would do.
    async fn reconcile(&self, dry_run: bool, context: &Context) -> Result<ReconcileReport, Failure>;

    /// Removes what is plainly over without asking any backend: what acting commands do first.
    async fn tidy(&self, context: &Context) -> Result<ReconcileReport, Failure>;

    /// Looks for what backends hold with our labels and without a record.
    async fn orphans(&self, search: OrphanSearch, context: &Context) -> Result<OrphanReport, Failure>;

    /// Checks the inputs of a request against its profile, without making anything.
    fn check_inputs(&self, request: &SandboxCreateRequest) -> Result<Object, Failure>;
}
