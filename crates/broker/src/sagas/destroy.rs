//! Removing a sandbox, and not believing it until that was verified.

use super::call::{back_off, supervised, try_again};
use crate::control::Context;
use crate::engine::{Broker, Placement};
use crate::journal::{Change, Journal, take_step};
use crate::state::{OperationKind, Record, Step};
use sandboxer_sdk::{Teardown, TeardownReason};
use sandboxer_types::{CleanupReport, Failure, SandboxId};
use std::sync::Arc;

impl Broker {
    /// Removes a sandbox. Returns the record as the attempt left it: closed, or with what is still owed.
    pub(crate) async fn destroy(
        &self,
        sandbox_id: &SandboxId,
        reason: TeardownReason,
        context: &Context,
    ) -> Result<Record, Failure> {
        self.destroy_as_seen(self.record(sandbox_id).await?, reason, context).await
    }

    /// Removes a sandbox if its record still is what it was when that was decided.
    pub(crate) async fn destroy_as_seen(
        &self,
        record: Record,
        reason: TeardownReason,
        context: &Context,
    ) -> Result<Record, Failure> {
        if record.state().is_closed() {
            return Ok(record);
        }
        let mut claim = self.claim(record, OperationKind::Destroy).await?;
        claim.events.extend(take_step(&mut claim.record, Step::TearDown(reason), self.parts.clock.as_ref())?);
        if claim.record.state().is_closed() {
            claim.record.operation = None;
        }
        self.parts.store.write(claim.expected_epoch, &claim.record, claim.events).await?;
        context.observer.moved(&claim.record.sandbox_id, claim.record.state());
        if claim.record.state().is_closed() {
            return Ok(claim.record);
        }
        let journal = self.journal(claim.record.clone(), context);
        match self.placement(&claim.record.extension).await {
            Ok(placement) => self.tear_down(&journal, &placement, context).await,
            Err(missing) => {
                let report = by_hand(&claim.record, &missing);
                journal.commit(Change::step(Step::CleanupIncomplete(report)).and_release()).await
            }
        }
    }

    /// Calls the extension's teardown for a record that announces it, and writes down what came of it.
    pub(super) async fn tear_down(
        &self,
        journal: &Arc<Journal>,
        placement: &Placement,
        context: &Context,
    ) -> Result<Record, Failure> {
        let record = journal.record().await;
        let limit = placement.timeouts.teardown.map_or(self.parts.patience.teardown, |span| span.as_duration());
        let mut call = self.call(&record, placement, journal.clone(), context, limit);
        let request = teardown_request(&record);
        let report = loop {
            let work = placement.extension.teardown(&call, &request);
            match supervised(&call, &self.parts.patience, work).await {
                Ok(report) => break report,
                Err(failure) if try_again(&failure, call.attempt, &self.parts.patience, context) => {
                    back_off(&failure, call.attempt, &self.parts.patience, context).await;
                    call.attempt += 1;
                }
                Err(failure) => break failed(&failure),
            }
        };
        let step = if report.complete { Step::CleanedUp(report) } else { Step::CleanupIncomplete(report) };
        journal.commit(Change::step(step).and_release()).await
    }
}

fn teardown_request(record: &Record) -> Teardown {
    let reason = match &record.lifecycle {
        crate::state::Lifecycle::TearingDown { reason, .. } => *reason,
        _ => TeardownReason::Requested,
    };
    Teardown {
        sandbox_id: record.sandbox_id.clone(),
        host: record.host.clone(),
        handle: record.teardown_handle(),
        reason,
    }
}

/// The report of a teardown that failed as a whole.
fn failed(failure: &Failure) -> CleanupReport {
    let mut error = failure.message.clone();
    for cause in &failure.causes {
        error.push_str(": ");
        error.push_str(cause);
    }
    CleanupReport { errors: vec![error], ..CleanupReport::default() }
}

/// The report when nobody can remove it: what to look for.
fn by_hand(record: &Record, missing: &Failure) -> CleanupReport {
    let handle = serde_json::Value::Object(record.teardown_handle().members().clone());
    CleanupReport {
        errors: vec![format!(
            "`{}` cannot be called ({missing}); look on `{}` for what is named or labelled `{}`; its handle: {handle}",
            record.extension, record.host, record.sandbox_id
        )],
        ..CleanupReport::default()
    }
}
