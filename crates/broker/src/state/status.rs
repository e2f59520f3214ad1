//! What a record looks like to people: its state and the conditions beside it.

use super::{Attached, Record, SessionKind};
use sandboxer_sdk::Clock;
use sandboxer_types::{Condition, ConditionKind, SandboxStatus, State};

/// What is known beyond the record when it is described.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// The process working on it is gone.
    pub owner_is_dead: bool,
    /// The process it is tethered to is gone.
    pub tether_is_dead: bool,
    /// Why its extension cannot be called, when it cannot.
    pub missing: Option<String>,
    /// Its extension says, when asked, how to reach the agent.
    pub offers_connect: bool,
}

/// Describes `record` with every condition that holds.
pub fn describe(record: &Record, observation: &Observation, clock: &dyn Clock) -> SandboxStatus {
    SandboxStatus {
        sandbox_id: record.sandbox_id.clone(),
        name: record.name.clone(),
        state: record.state(),
        conditions: conditions(record, observation, clock),
        profile: record.profile.id.clone(),
        extension: record.extension.clone(),
        host: record.host.clone(),
        consumer: record.consumer.clone(),
        isolation: record
            .lifecycle
            .reachability()
            .and_then(|reachability| reachability.isolation.clone())
            .or_else(|| record.isolation.clone()),
        labels: record.labels.clone(),
        created_at: record.created_at,
        ready_at: record.ready_at,
        expires_at: record.lease.expires_at,
        closed_at: record.closed_at,
        reachability: record.lifecycle.reachability().cloned(),
        failure: record.lifecycle.failure().cloned(),
        cleanup: record.lifecycle.report().cloned(),
    }
}

fn conditions(record: &Record, observation: &Observation, clock: &dyn Clock) -> Vec<Condition> {
    let mut found = Vec::new();
    let mut add = |kind, detail: String| found.push(Condition::new(kind, detail));
    let state = record.state();
    if state.is_closed() {
        return found;
    }
    if matches!(state, State::TearingDown | State::Failed) {
        let detail = match record.lifecycle.report() {
            Some(report) if !report.errors.is_empty() => format!("the last attempt said: {}", report.errors.join("; ")),
            _ => "something may exist until a teardown has verified that nothing does".to_owned(),
        };
        add(ConditionKind::TeardownOwed, detail);
    }
    if record.ambiguous && record.lifecycle.handle().is_none() {
        add(ConditionKind::OutcomeUnknown, "a call was sent and its outcome was never learned".to_owned());
    }
    if let Some(why) = &observation.missing {
        add(ConditionKind::ExtensionMissing, why.clone());
    }
    if observation.owner_is_dead {
        add(ConditionKind::Abandoned, "the process that worked on it is gone; `sandboxer reconcile` takes over".into());
    } else if observation.tether_is_dead {
        add(ConditionKind::Abandoned, "the process it was made for is gone".to_owned());
    }
    if record.lease.has_expired(clock) {
        add(ConditionKind::Expired, format!("its lease ran out at {}", record.lease.expires_at));
    }
    if let Some(reachability) = record.lifecycle.reachability() {
        let is_entered = reachability.ssh.is_some() || reachability.enter.is_some();
        if reachability.agent.is_none() && !is_entered && !observation.offers_connect {
            let detail = match observation.missing {
                Some(_) => "its extension, which cannot be called, may know a way to run commands in it".to_owned(),
                None => "its extension gives no way to run commands in it".to_owned(),
            };
            add(ConditionKind::NoSession, detail);
        }
        if !reachability.limits_unenforced.is_empty() {
            add(ConditionKind::LimitsUnenforced, reachability.limits_unenforced.join("; "));
        }
    }
    if let Some(Attached { attachment, standing }) = record.lifecycle.attached() {
        let route = attachment.route();
        if standing.session == SessionKind::Plain {
            let detail = format!(
                "commands and files go by the shell of {route} alone: no terminal, and none outlives its connection"
            );
            add(ConditionKind::PlainSession, detail);
        }
        if let Some(why) = &standing.unheld {
            add(ConditionKind::NoLease, format!("nobody on {route} ends it without us: {why}"));
        }
    }
    found
}
