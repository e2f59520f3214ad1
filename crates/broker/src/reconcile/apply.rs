//! Gathers the facts, and does what the plan says.

use super::plan::{Action, Decision, Facts, plan};
use crate::control::Context;
use crate::engine::Broker;
use crate::ownership::is_unburied;
use crate::sagas::supervised;
use crate::state::Record;
use crate::store::{NewEvent, RecordFilter};
use sandboxer_sdk::ObservedState;
use sandboxer_types::{ErrorKind, EventKind, Failure, State, Verb};
use serde::Serialize;

/// What came of one decision.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// Where the record stands now; as it was, in a dry run.
    pub state: State,
    /// What is still owed, or why nothing could be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// What a reconciliation did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReconcileReport {
    /// Whether it only said what it would do.
    pub dry_run: bool,
    /// About every open record, oldest first.
    pub outcomes: Vec<Outcome>,
}

impl ReconcileReport {
    /// Whether something may still exist that should not.
    pub fn is_incomplete(&self) -> bool {
        self.outcomes.iter().any(|outcome| !outcome.errors.is_empty())
    }
}

impl Broker {
    /// Looks at every open record, asks its backend, and removes what should not live.
    pub(crate) async fn reconcile_all(&self, dry_run: bool, context: &Context) -> Result<ReconcileReport, Failure> {
        let mut report = ReconcileReport { dry_run, outcomes: Vec::new() };
        let records = self.parts.store.list(&RecordFilter::default()).await?;
        let lost = self.lost_leases(&records).await;
        for record in records {
            if context.cancel.is_cancelled() {
                return Err(Failure::new(ErrorKind::Cancelled, "stopped before every record was looked at"));
            }
            let observed = self.observe(&record).await;
            let facts = Facts { lease_is_lost: lost.contains(&record.sandbox_id), ..self.facts(&record, observed) };
            report.outcomes.push(self.carry_out(plan(&facts), record, dry_run, context).await);
        }
        if !dry_run && let Err(failure) = self.parts.liveness.sweep().await {
            // What belongs to a record was said of that already.
            tracing::warn!(%failure, "something that a dead process has started is left");
        }
        Ok(report)
    }

    /// Removes what is plainly over, without asking any backend.
    pub(crate) async fn remove_what_is_over(&self, context: &Context) -> Result<ReconcileReport, Failure> {
        let mut report = ReconcileReport::default();
        for record in self.parts.store.list(&RecordFilter::default()).await? {
            let decision = plan(&self.facts(&record, None));
            if decision.action != Action::Leave {
                report.outcomes.push(self.carry_out(decision, record, false, context).await);
            }
        }
        Ok(report)
    }

    fn facts(&self, record: &Record, observed: Option<ObservedState>) -> Facts {
        let parts = &self.parts;
        Facts {
            sandbox_id: record.sandbox_id.clone(),
            state: record.state(),
            owner_alive: record.operation.as_ref().map(|operation| self.is_alive(&operation.by)),
            tether_alive: record.tether.as_ref().map(|tether| parts.liveness.tether_is_alive(tether)),
            expired: record.lease.has_expired(parts.clock.as_ref()),
            observed,
            extension_is_missing: parts.catalog.extension(&record.extension).is_err(),
            lease_is_lost: false,
        }
    }

    /// What the backend says of a sandbox that should live. No answer is not an answer.
    async fn observe(&self, record: &Record) -> Option<ObservedState> {
        if !matches!(record.state(), State::Ready | State::Paused) {
            return None;
        }
        let handle = record.lifecycle.handle()?;
        let placement = match self.placement(&record.extension).await {
            Ok(placement) => placement,
            Err(failure) => {
                tracing::warn!(%failure, sandbox = %record.sandbox_id, "its backend cannot be asked how it is");
                return None;
            }
        };
        let verb = placement.extension.status()?;
        let asked = async {
            let call = self.query_about(record, &placement, Verb::Status)?;
            supervised(&call, &self.parts.patience, verb.status(&call, handle)).await
        };
        match asked.await {
            Ok(report) => Some(report.state),
            Err(failure) => {
                tracing::warn!(%failure, sandbox = %record.sandbox_id, "its backend does not say how it is");
                None
            }
        }
    }

    async fn carry_out(&self, decision: Decision, record: Record, dry_run: bool, context: &Context) -> Outcome {
        let reason = match decision.action {
            Action::TearDown(reason) if !dry_run => reason,
            Action::PlaceLease if !dry_run => return self.place_again(decision, record).await,
            Action::TearDown(_) | Action::PlaceLease | Action::Leave => {
                return Outcome { decision, state: record.state(), errors: Vec::new() };
            }
        };
        match self.destroy_as_seen(record.clone(), reason, context).await {
            Ok(after) if after.state().is_closed() => Outcome { decision, state: after.state(), errors: Vec::new() },
            Ok(after) => {
                let errors = after.lifecycle.report().map(|report| report.errors.clone()).unwrap_or_default();
                let errors = if errors.is_empty() { vec!["the cleanup is not complete".to_owned()] } else { errors };
                Outcome { decision, state: after.state(), errors }
            }
            // Another process took it over since: its owner says what comes of it.
            Err(failure) if matches!(failure.kind, ErrorKind::Busy | ErrorKind::Conflict) && !is_unburied(&failure) => {
                let decision = Decision { action: Action::Leave, why: "another process has taken it over", ..decision };
                Outcome { decision, state: record.state(), errors: Vec::new() }
            }
            Err(failure) => Outcome { decision, state: record.state(), errors: vec![failure.message] },
        }
    }
    /// What no longer stands on the machine is there again, or the next reconciliation tries anew.
    async fn place_again(&self, decision: Decision, record: Record) -> Outcome {
        let (sandbox_id, state) = (record.sandbox_id.clone(), record.state());
        let event = NewEvent::new(EventKind::Extended, "its lease is placed on its machine again");
        match self.renew(record, event).await {
            Ok(_) => Outcome { decision, state, errors: Vec::new() },
            Err(failure) => {
                // Nothing exists that should not: that nobody there ends it without us is said, and no more.
                tracing::warn!(%failure, sandbox = %sandbox_id, "its lease cannot be placed on its machine again");
                let why = "its lease cannot be placed on its machine again";
                Outcome { decision: Decision { action: Action::Leave, why, ..decision }, state, errors: Vec::new() }
            }
        }
    }
}
