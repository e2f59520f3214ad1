//! The engine's side of [`Control`]: each operation, in terms of sagas, store and plans.

use crate::control::{Context, Control, Entrance, ListFilter, OrphanSearch, Workspace};
use crate::engine::{Broker, no_such_sandbox};
use crate::hosts::Spot;
use crate::journal::take_step;
use crate::reconcile::{OrphanReport, ReconcileReport};
use crate::state::{Lifecycle, OperationKind, Record, Step};
use crate::store::EventFilter;
use async_trait::async_trait;
use sandboxer_reach::Execution;
use sandboxer_sdk::TeardownReason;
use sandboxer_types::{
    ErrorKind, Event, Failure, Object, Residue, SandboxCreateRequest, SandboxId, SandboxStatus, State, TimeSpan,
};

#[async_trait]
impl Control for Broker {
    async fn create(
        &self,
        request: SandboxCreateRequest,
        wait: bool,
        context: &Context,
    ) -> Result<SandboxStatus, Failure> {
        self.create_sandbox(request, wait, context).await
    }

    async fn resolve(&self, text: &str) -> Result<SandboxId, Failure> {
        let usable =
            !text.is_empty() && text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let found = if usable { self.parts.store.find(text).await? } else { Vec::new() };
        match found.as_slice() {
            [] => Err(no_such_sandbox(text)),
            [one] => Ok(one.clone()),
            [first, second, ..] => {
                Err(Failure::invalid_input(format!("`{text}` means more than one sandbox: `{first}`, `{second}`, …"))
                    .with_hint("write more of the id"))
            }
        }
    }

    async fn list(&self, filter: &ListFilter) -> Result<Vec<SandboxStatus>, Failure> {
        let records = self.parts.store.list(&filter.records).await?;
        let wanted = |status: &SandboxStatus| {
            filter.labels.iter().all(|(key, value)| status.labels.get(key).is_some_and(|have| have == value))
        };
        Ok(records.iter().map(|record| self.describe(record)).filter(wanted).collect())
    }

    async fn show(&self, sandbox_id: &SandboxId) -> Result<SandboxStatus, Failure> {
        Ok(self.describe(&self.record(sandbox_id).await?))
    }

    async fn enter(&self, sandbox_id: &SandboxId) -> Result<Entrance, Failure> {
        let record = self.ready_record(sandbox_id).await?;
        let session = self.open_session(&record, None).await?;
        Ok(Entrance { status: self.describe(&record), profile: record.profile, session })
    }

    async fn workspace(&self, sandbox_id: &SandboxId) -> Result<Workspace, Failure> {
        let record = self.ready_record(sandbox_id).await?;
        let reachability = record.lifecycle.reachability();
        let folder = reachability.and_then(|found| found.remote_dir.clone());
        Ok(Workspace {
            session: self.open_workspace(&record).await?,
            folder: folder.or_else(|| record.profile.workdir.clone()),
            repo: record.inputs.get("repo").and_then(|repo| repo.as_str()).map(str::to_owned),
        })
    }

    async fn service_logs(&self, sandbox_id: &SandboxId, follow: bool) -> Result<Option<Execution>, Failure> {
        let record = self.record(sandbox_id).await?;
        match &record.lifecycle {
            Lifecycle::Ready { .. } => self.open_service_logs(&record, follow).await,
            _ => Ok(None),
        }
    }

    async fn extend(&self, sandbox_id: &SandboxId, span: TimeSpan) -> Result<SandboxStatus, Failure> {
        self.extend_lease(sandbox_id, span).await
    }

    async fn remove(&self, sandbox_id: &SandboxId, context: &Context) -> Result<SandboxStatus, Failure> {
        let record = self.destroy(sandbox_id, TeardownReason::Requested, context).await?;
        Ok(self.describe(&record))
    }

    async fn forget(&self, sandbox_id: &SandboxId, note: &str) -> Result<SandboxStatus, Failure> {
        let record = self.record(sandbox_id).await?;
        if !matches!(record.state(), State::Failed | State::TearingDown) {
            return Err(Failure::new(ErrorKind::Precondition, format!("`{sandbox_id}` is {}", record.state()))
                .with_residue(Residue::Present)
                .with_hint("only what failed or could not be removed can be forgotten; try `sandboxer rm` first"));
        }
        let mut claim = self.claim(record, OperationKind::Destroy).await?;
        let events = take_step(&mut claim.record, Step::Forget(note.to_owned()), self.parts.clock.as_ref())?;
        claim.events.extend(events);
        claim.record.operation = None;
        self.parts.store.write(claim.expected_epoch, &claim.record, claim.events).await?;
        Ok(self.describe(&claim.record))
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, Failure> {
        Ok(self.parts.store.events(filter).await?)
    }

    async fn reconcile(&self, dry_run: bool, context: &Context) -> Result<ReconcileReport, Failure> {
        self.reconcile_all(dry_run, context).await
    }

    async fn tidy(&self, context: &Context) -> Result<ReconcileReport, Failure> {
        self.remove_what_is_over(context).await
    }

    async fn orphans(&self, search: OrphanSearch, context: &Context) -> Result<OrphanReport, Failure> {
        self.search_orphans(search, context).await
    }

    fn check_inputs(&self, request: &SandboxCreateRequest) -> Result<Object, Failure> {
        Ok(self.intend(request, Spot::localhost())?.inputs)
    }
}

impl Broker {
    /// The record of a sandbox that can be used, once its making is finished.
    async fn ready_record(&self, sandbox_id: &SandboxId) -> Result<Record, Failure> {
        let mut record = self.record(sandbox_id).await?;
        if matches!(record.lifecycle, Lifecycle::Waiting { .. }) && record.operation.is_none() {
            self.finish(sandbox_id, true, &Context::default()).await?;
            record = self.record(sandbox_id).await?;
        }
        let Lifecycle::Ready { .. } = &record.lifecycle else {
            return Err(not_ready(sandbox_id, record.state()));
        };
        if record.lease.has_expired(self.parts.clock.as_ref()) {
            return Err(Failure::new(ErrorKind::Precondition, format!("the lease of `{sandbox_id}` has run out"))
                .with_residue(Residue::Present)
                .with_hint("`sandboxer reconcile` removes what is left of it"));
        }
        Ok(record)
    }
}

fn not_ready(sandbox_id: &SandboxId, state: State) -> Failure {
    let hint = match state {
        State::Gone | State::Forgotten => "make a fresh one with `sandboxer create`",
        State::Failed | State::TearingDown => "`sandboxer show` tells what went wrong; `sandboxer rm` removes it",
        State::Paused => "`sandboxer resume` lets it go on",
        State::Planned | State::Provisioning | State::Waiting | State::Attaching | State::Ready => {
            "wait until `sandboxer ls` shows it as ready"
        }
    };
    Failure::new(ErrorKind::Precondition, format!("`{sandbox_id}` is {state}, not ready"))
        .with_residue(Residue::Present)
        .with_hint(hint)
}
