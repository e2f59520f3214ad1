//! What machines hold for ready sandboxes: a machine that was started anew knows of no lease.

use crate::engine::Broker;
use crate::sagas::{late, reach_failure};
use crate::state::{Attached, Record};
use futures::future::join_all;
use sandboxer_types::SandboxId;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::timeout;

impl Broker {
    /// The sandboxes among `records` whose machine answers and does not hold their lease for as long as they may live. All machines
    /// are asked at once, and none is waited for longer than any other question takes.
    pub(super) async fn lost_leases(&self, records: &[Record]) -> BTreeSet<SandboxId> {
        let mut by_machine: BTreeMap<String, Vec<(&Record, &Attached)>> = BTreeMap::new();
        for record in records {
            if let Some(attached) = record.lifecycle.attached().filter(|attached| attached.is_held()) {
                by_machine.entry(attached.attachment.route().to_string()).or_default().push((record, attached));
            }
        }
        let lost = by_machine.into_values().map(|sandboxes| self.lost_on_machine(sandboxes));
        join_all(lost).await.into_iter().flatten().collect()
    }

    async fn lost_on_machine(&self, sandboxes: Vec<(&Record, &Attached)>) -> Vec<SandboxId> {
        let Some((_, first)) = sandboxes.first() else { return Vec::new() };
        let route = first.attachment.route();
        let limit = self.parts.patience.query;
        let answer = match timeout(limit, self.parts.machines.leases(&route)).await {
            Ok(answer) => answer.map_err(|error| reach_failure(&error)),
            Err(_) => Err(late(&format!("{route} gave no answer"), limit)),
        };
        let leases = match answer {
            Ok(leases) => leases,
            Err(failure) => {
                tracing::warn!(%failure, "{route} does not say which leases it holds");
                return Vec::new();
            }
        };
        let clock = self.parts.clock.as_ref();
        let is_lost = |record: &Record| {
            let mark = self.mark(&record.sandbox_id);
            let held = leases.iter().find(|lease| lease.name == mark.as_str());
            if let Some(fault) = held.and_then(|lease| lease.last_fault.as_ref()) {
                tracing::warn!(
                    "the lease of `{}` ran out on {route}, and ending it failed: {fault}",
                    record.sandbox_id
                );
                return false;
            }
            let left = held.and_then(|lease| lease.remaining);
            left.is_none_or(|left| left < record.lease.remaining(clock).as_duration())
        };
        sandboxes
            .into_iter()
            .filter(|(record, _)| is_lost(record))
            .map(|(record, _)| record.sandbox_id.clone())
            .collect()
    }
}
