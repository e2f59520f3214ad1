//! Removing a sandbox, and not believing it until that was verified.

use super::call::{back_off, supervised, try_again};
use crate::by_hand::{by_hand, why_closed, why_missing};
use crate::control::Context;
use crate::engine::{Broker, Placement};
use crate::journal::{Change, Journal, take_step};
use crate::state::{Lifecycle, OperationKind, Record, Step};
use sandboxer_sdk::{Call, Teardown, TeardownReason};
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
        if record.state().is_closed() || self.is_left_to_people(&record) {
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
            Err(failure) => {
                let extension = &claim.record.extension;
                let why = match self.parts.catalog.extension(extension) {
                    Err(miss) => why_missing(extension, &miss),
                    Ok(_) => why_closed(extension, &failure),
                };
                let report = by_hand(&claim.record, self.parts.store.owner(), why);
                journal.commit(Change::step(Step::CleanupIncomplete(report)).and_release()).await
            }
        }
    }

    /// Whether the last attempt found what this one would find: no extension to call. Then there is nothing to write.
    fn is_left_to_people(&self, record: &Record) -> bool {
        let (Lifecycle::TearingDown { report: Some(last), .. }, None) = (&record.lifecycle, &record.operation) else {
            return false;
        };
        let found = self.parts.catalog.extension(&record.extension).err();
        found.is_some_and(|miss| {
            *last == by_hand(record, self.parts.store.owner(), why_missing(&record.extension, &miss))
        })
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
        let report = match self.call(&record, placement, "teardown", journal.clone(), context, limit) {
            Ok(call) => self.ask_for_teardown(call, placement, &teardown_request(&record), context).await,
            Err(failure) => Err(failure),
        };
        let report = report.unwrap_or_else(|failure| failed(&failure));
        journal.commit(self.conclude(&record, report).await.and_release()).await
    }

    async fn ask_for_teardown(
        &self,
        mut call: Call,
        placement: &Placement,
        request: &Teardown,
        context: &Context,
    ) -> Result<CleanupReport, Failure> {
        loop {
            let work = placement.extension.teardown(&call, request);
            match supervised(&call, &self.parts.patience, work).await {
                Err(failure) if try_again(&failure, call.attempt, &self.parts.patience, context) => {
                    back_off(&failure, &call, &self.parts.patience).await?;
                    call.attempt += 1;
                }
                answer => return answer,
            }
        }
    }
}

fn teardown_request(record: &Record) -> Teardown {
    let reason = match &record.lifecycle {
        Lifecycle::TearingDown { reason, .. } => *reason,
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
pub(super) fn failed(failure: &Failure) -> CleanupReport {
    let mut error = failure.message.clone();
    for cause in &failure.causes {
        error.push_str(": ");
        error.push_str(cause);
    }
    if let Some(hint) = &failure.hint {
        error.push_str(&format!(" ({hint})"));
    }
    CleanupReport { errors: vec![error], ..CleanupReport::default() }
}
