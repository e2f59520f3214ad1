//! Moving a lease.

use super::attach::{late, reach_failure};
use super::call::supervised;
use super::request::lease_span;
use crate::engine::Broker;
use crate::state::{Lease, Lifecycle, Record};
use crate::store::{NewEvent, StoreError};
use sandboxer_types::{
    ErrorKind, EventKind, Failure, Feature, Residue, SandboxId, SandboxStatus, State, TimeSpan, Verb,
};

impl Broker {
    /// Lets a sandbox live `span` from now. The backend's own time-out is moved first, then that of the machine it is reached
    /// through: a crash in between leaves the shorter lease in the store, which errs on the side of removing.
    pub(crate) async fn extend_lease(&self, sandbox_id: &SandboxId, span: TimeSpan) -> Result<SandboxStatus, Failure> {
        let mut record = self.record(sandbox_id).await?;
        let (Lifecycle::Ready { handle, .. } | Lifecycle::Paused { handle, .. }) = &record.lifecycle else {
            return Err(Failure::new(
                ErrorKind::Precondition,
                format!("`{sandbox_id}` is {}, not ready", record.state()),
            )
            .with_residue(Residue::Present)
            .with_hint("only a ready or paused sandbox has a lease that can be moved"));
        };
        if record.operation.as_ref().is_some_and(|operation| self.is_alive(&operation.by)) {
            return Err(Failure::new(ErrorKind::Busy, format!("another process is working on `{sandbox_id}`"))
                .with_residue(Residue::Present));
        }
        let clock = self.parts.clock.as_ref();
        let lease = Lease::from_now(clock, lease_span(&record.profile, Some(span))?);
        let longest = record.created_at.checked_add(record.profile.ttl.max.as_duration()).unwrap_or(lease.expires_at);
        if lease.expires_at > longest {
            return Err(Failure::invalid_input(format!(
                "`{}` lets its sandboxes live until {longest} at most",
                record.profile.id
            ))
            .with_residue(Residue::Present)
            .with_field("ttl", format!("at most {} from its creation", record.profile.ttl.max))
            .with_hint("extend by less, or make a fresh sandbox"));
        }
        let placement = self.placement(&record.extension).await?;
        match placement.extension.extend() {
            Some(verb) => {
                let call = self.query_about(&record, &placement, Verb::Extend)?;
                supervised(&call, &self.parts.patience, verb.extend(&call, handle, span)).await?;
            }
            None => self.refuse_native_ttl(&record.extension)?,
        }
        record.lease = lease;
        let event = NewEvent::new(EventKind::Extended, format!("expires at {}", record.lease.expires_at));
        Ok(self.describe(&self.renew(record, event).await?))
    }

    /// Has the machine that a sandbox is reached through hold its lease for as long as `record` says, where it holds one, and
    /// writes the record down with that event.
    pub(crate) async fn renew(&self, mut record: Record, event: NewEvent) -> Result<Record, Failure> {
        let held = record.lifecycle.attached().filter(|attached| attached.is_held());
        let held = held.map(|attached| attached.attachment.clone());
        if let Some(attachment) = &held {
            let limit = self.parts.patience.query;
            match tokio::time::timeout(limit, self.hold(&record, attachment)).await {
                Ok(held) => held.map_err(|error| reach_failure(&error))?,
                Err(_) => return Err(late(&format!("{} gave no answer", attachment.route()), limit)),
            }
        }
        let expected_epoch = record.epoch;
        record.epoch += 1;
        let written = self.parts.store.write(expected_epoch, &record, vec![event]).await;
        if let (Err(StoreError::LostOwnership(id)), Some(attachment)) = (&written, &held) {
            // Whoever was faster may have removed it, and the lease before it was placed again.
            let now = self.record(id).await?;
            if !matches!(now.state(), State::Ready | State::Paused) {
                self.release(id, attachment).await?;
            }
        }
        written?;
        Ok(record)
    }

    /// A backend that ends sandboxes by itself and cannot be told to wait would end it at the old time all the same.
    fn refuse_native_ttl(&self, extension: &sandboxer_types::ExtensionId) -> Result<(), Failure> {
        let entry = self.parts.catalog.extension(extension).map_err(Failure::from)?;
        if !entry.manifest.capabilities.features.contains(&Feature::NativeTtl) {
            return Ok(());
        }
        Err(Failure::new(ErrorKind::Unsupported, format!("`{extension}` cannot move the lease of its sandboxes"))
            .with_residue(Residue::Present))
    }
}
