//! Making a sandbox: provision, wait until it is ready, attach. The undo of every step is the teardown.

use super::call::{back_off, supervised, try_again};
use crate::control::Context;
use crate::engine::{Broker, Placement};
use crate::journal::{Change, Journal, take_step};
use crate::ownership::is_unburied;
use crate::state::{Durability, Lifecycle, OperationKind, Record, Step};
use crate::store::{NewEvent, StoreError, Taken};
use sandboxer_sdk::{Call, CallEnd, Provision, TeardownReason};
use sandboxer_types::{
    ErrorKind, EventKind, Failure, Handle, HostId, Object, Reachability, Residue, SandboxCreateRequest, SandboxId,
    SandboxStatus,
};
use std::sync::Arc;
use std::time::Duration;

/// How often a repeated request looks whether the first one is done.
const REPEAT_INTERVAL: Duration = Duration::from_millis(25);

impl Broker {
    /// Makes what `request` asks for, or finds what an earlier request under the same key made.
    pub(crate) async fn create_sandbox(
        &self,
        request: SandboxCreateRequest,
        wait: bool,
        context: &Context,
    ) -> Result<SandboxStatus, Failure> {
        let spot = self.spot(request.host.as_ref()).await?;
        let slots = spot.slots;
        let mut record = self.intend(&request, spot)?;
        if let Some(repeated) = self.repeated(&record, wait, context).await? {
            return Ok(repeated);
        }
        let placement = self.placement_unless_cancelled(&record, context).await?;
        if placement.extension.ends_with_this_machine() {
            record.durability = Durability::ProcessEnd;
        }
        self.check_secrets(&placement)?;
        self.validate(&mut record, &placement, context).await?;
        if context.cancel.is_cancelled() {
            return Err(cancelled_early());
        }
        let mut events = vec![NewEvent::new(EventKind::Planned, format!("asked for by {}", record.consumer))];
        events.extend(take_step(&mut record, Step::Provision, self.parts.clock.as_ref())?);
        match self.parts.store.insert(&record, slots, events).await {
            Ok(()) => {}
            // Another request under the same key was faster.
            Err(StoreError::Taken(Taken::IdempotencyKey(_))) => {
                return self.repeated(&record, wait, context).await?.ok_or_else(|| {
                    Failure::new(ErrorKind::Conflict, "the idempotency key was used and its record vanished")
                        .with_residue(Residue::None)
                });
            }
            Err(error) => return Err(error.into()),
        }
        let journal = self.journal(record, context);
        self.drive(&journal, &placement, wait, context).await
    }

    /// Opens the extension, which may take its time. Whatever that does, nothing was asked of it yet.
    async fn placement_unless_cancelled(&self, record: &Record, context: &Context) -> Result<Placement, Failure> {
        tokio::select! {
            placement = self.placement(&record.extension) => {
                placement.map_err(|failure| failure.with_residue(Residue::None))
            }
            () = context.cancel.cancelled() => Err(cancelled_early()),
        }
    }

    /// Asks the extension to check what a schema cannot say.
    async fn validate(&self, record: &mut Record, placement: &Placement, context: &Context) -> Result<(), Failure> {
        let Some(verb) = placement.extension.validate() else { return Ok(()) };
        let mut call = self.query(&record.sandbox_id, self.ssh_of(record), placement, "validate")?;
        call.cancel = context.cancel.clone();
        let request = self.provision_request(record, None);
        let work = verb.validate(&call, &request);
        record.inputs = supervised(&call, &self.parts.patience, work).await.map_err(|failure| {
            // It has no side effect by contract, and nothing was written down yet.
            failure.with_residue(Residue::None)
        })?;
        Ok(())
    }

    /// What an earlier request under the same key made, once that is done.
    async fn repeated(&self, wanted: &Record, wait: bool, context: &Context) -> Result<Option<SandboxStatus>, Failure> {
        let Some(idempotency) = &wanted.idempotency else { return Ok(None) };
        loop {
            let Some(record) = self.parts.store.get_by_key(&idempotency.key).await? else { return Ok(None) };
            if record.idempotency.as_ref() != Some(idempotency) {
                return Err(Failure::new(
                    ErrorKind::Conflict,
                    format!("the idempotency key was used for another request, which made `{}`", record.sandbox_id),
                )
                .with_residue(Residue::None)
                .with_hint("use a fresh key for a different request"));
            }
            if let Some(failure) = record.lifecycle.failure() {
                return Err(failure.clone());
            }
            if !is_being_made(&record) || (!wait && record.lifecycle.handle().is_some()) {
                return Ok(Some(self.describe(&record)));
            }
            match &record.operation {
                Some(operation) if self.is_alive(&operation.by) => {}
                _ => match self.finish(&record.sandbox_id, wait, context).await {
                    // Another repetition was faster, or the first request was done after all.
                    Err(failure)
                        if matches!(failure.kind, ErrorKind::Busy | ErrorKind::Conflict) && !is_unburied(&failure) => {}
                    finished => return finished.map(Some),
                },
            }
            tokio::select! {
                () = tokio::time::sleep(REPEAT_INTERVAL) => {}
                () = context.cancel.cancelled() => {
                    return Err(Failure::new(ErrorKind::Cancelled, "stopped waiting for the first request")
                        .with_residue(Residue::InProgress));
                }
            }
        }
    }

    /// Takes over a create that nobody works on any more, and brings it to its end.
    pub(crate) async fn finish(
        &self,
        sandbox_id: &SandboxId,
        wait: bool,
        context: &Context,
    ) -> Result<SandboxStatus, Failure> {
        let record = self.record(sandbox_id).await?;
        if !is_being_made(&record) {
            return Ok(self.describe(&record));
        }
        let residue = residue_of_unfinished(&record);
        let placement = self.placement(&record.extension).await.map_err(|failure| failure.with_residue(residue))?;
        self.check_secrets(&placement).map_err(|failure| failure.with_residue(residue))?;
        let claim = self.claim(record, OperationKind::Create).await?;
        self.parts.store.write(claim.expected_epoch, &claim.record, claim.events).await?;
        let journal = self.journal(claim.record, context);
        self.drive(&journal, &placement, wait, context).await
    }

    /// Goes on from wherever the record stands until the sandbox is ready, or removes what was made.
    async fn drive(
        &self,
        journal: &Arc<Journal>,
        placement: &Placement,
        wait: bool,
        context: &Context,
    ) -> Result<SandboxStatus, Failure> {
        loop {
            let record = journal.record().await;
            let step = match &record.lifecycle {
                Lifecycle::Provisioning { .. } | Lifecycle::Waiting { .. } | Lifecycle::Attaching { .. }
                    if context.cancel.is_cancelled() =>
                {
                    Err(CallEnd::Cancelled.failure().with_residue(record_residue(&record)))
                }
                Lifecycle::Provisioning { draft } => self.provision(journal, placement, draft.clone(), context).await,
                Lifecycle::Waiting { .. } if !wait => {
                    return Ok(self.describe(&journal.commit(Change::default().and_release()).await?));
                }
                Lifecycle::Waiting { handle } => self.wait_ready(journal, placement, handle, context).await,
                Lifecycle::Attaching { .. } => self.attach(journal, placement, context).await,
                Lifecycle::Ready { .. } => return Ok(self.describe(&record)),
                Lifecycle::Planned
                | Lifecycle::Paused { .. }
                | Lifecycle::Failed { .. }
                | Lifecycle::TearingDown { .. }
                | Lifecycle::Gone { .. }
                | Lifecycle::Forgotten { .. } => return Ok(self.describe(&record)),
            };
            if let Err(failure) = step {
                return Err(self.undo(journal, placement, failure, context).await);
            }
        }
    }

    fn provision_request(&self, record: &Record, draft: Option<Object>) -> Provision {
        Provision {
            sandbox_id: record.sandbox_id.clone(),
            host: record.host.clone(),
            profile: record.profile.clone(),
            inputs: record.inputs.clone(),
            expires_at: record.lease.expires_at,
            ttl: record.lease.remaining(self.parts.clock.as_ref()),
            tether: record.tether,
            draft,
        }
    }

    async fn provision(
        &self,
        journal: &Arc<Journal>,
        placement: &Placement,
        draft: Option<Object>,
        context: &Context,
    ) -> Result<(), Failure> {
        let record = journal.record().await;
        let limit = placement.timeouts.provision.map_or(self.parts.patience.provision, |span| span.as_duration());
        let mut ambiguous = record.ambiguous;
        let mut call = self
            .call(&record, placement, "provision", journal.clone(), context, limit)
            .map_err(|failure| in_doubt(failure, ambiguous))?;
        let mut request = self.provision_request(&record, draft);
        loop {
            let failure = match self.provision_once(&call, placement, &request).await {
                Ok(handle) => return journal.commit(Change::step(Step::Provisioned(handle))).await.map(drop),
                Err(failure) => failure,
            };
            ambiguous |= failure.residue.may_exist();
            if !try_again(&failure, call.attempt, &self.parts.patience, context) {
                return Err(in_doubt(failure, ambiguous));
            }
            call.log(format!("attempt {} failed and is repeated: {failure}", call.attempt));
            back_off(&failure, &call, &self.parts.patience).await.map_err(|failure| in_doubt(failure, ambiguous))?;
            call.attempt += 1;
            // What the extension checkpointed meanwhile helps it to find what it had begun.
            if let Lifecycle::Provisioning { draft } = journal.record().await.lifecycle {
                request.draft = draft;
            }
        }
    }

    async fn provision_once(&self, call: &Call, placement: &Placement, request: &Provision) -> Result<Handle, Failure> {
        let work = placement.extension.provision(call, request);
        let made = supervised(call, &self.parts.patience, work).await;
        let handle = made.map_err(|failure| without_wrong_handle(failure, request))?;
        handle.check(&request.sandbox_id, &request.host).map_err(|fault| {
            Failure::new(ErrorKind::ContractViolation, "the extension returned a handle that breaks the contract")
                .with_residue(Residue::Unknown)
                .caused_by(&fault)
        })?;
        Ok(handle)
    }

    async fn wait_ready(
        &self,
        journal: &Arc<Journal>,
        placement: &Placement,
        handle: &Handle,
        context: &Context,
    ) -> Result<(), Failure> {
        let record = journal.record().await;
        let limit = placement.timeouts.wait_ready.map_or(self.parts.patience.wait_ready, |span| span.as_duration());
        // It exists, whatever is said of this one call.
        let it_exists = |failure: Failure| match failure.residue.may_exist() {
            true => failure,
            false => failure.with_residue(Residue::Present),
        };
        let mut call =
            self.call(&record, placement, "wait_ready", journal.clone(), context, limit).map_err(it_exists)?;
        loop {
            let work = placement.extension.wait_ready(&call, handle);
            let reached = supervised(&call, &self.parts.patience, work).await;
            let failure = match reached.and_then(|reachability| self.reached(&record, reachability)) {
                Ok(change) => return journal.commit(change).await.map(drop),
                Err(failure) => failure,
            };
            if !try_again(&failure, call.attempt, &self.parts.patience, context) {
                return Err(it_exists(failure));
            }
            back_off(&failure, &call, &self.parts.patience).await.map_err(it_exists)?;
            call.attempt += 1;
        }
    }

    /// What is written down of a sandbox that is reachable, together with what is to be done next.
    fn reached(&self, record: &Record, reachability: Reachability) -> Result<Change, Failure> {
        let reachability = sound(reachability, &record.host)?;
        let attachment = self.attachment(record, &reachability)?;
        let change = Change::step(Step::Reached(reachability));
        Ok(match attachment {
            Some(attachment) => change.and(Step::Attach(attachment)),
            None if record.profile.setup.is_empty() => change.and(Step::Attached(None)).and_release(),
            None => change,
        })
    }

    /// Removes what a failed create may have made, and says in the failure whether that worked.
    async fn undo(
        &self,
        journal: &Arc<Journal>,
        placement: &Placement,
        failure: Failure,
        context: &Context,
    ) -> Failure {
        let record = journal.record().await;
        let nothing_was_made =
            matches!(record.lifecycle, Lifecycle::Provisioning { .. }) && !failure.residue.may_exist();
        if nothing_was_made {
            let change = Change::step(Step::FailedWithNothing(failure.clone())).and_release();
            return match journal.commit(change).await {
                Ok(_) => failure,
                Err(fault) => owed(failure, &record.sandbox_id, &fault.message),
            };
        }
        let reason = match failure.kind {
            ErrorKind::Cancelled => TeardownReason::Cancelled,
            _ => TeardownReason::CreateFailed,
        };
        let ambiguous = record.lifecycle.handle().is_none();
        let change = Change::step(Step::Failed(failure.clone())).and(Step::TearDown(reason)).ambiguous(ambiguous);
        if let Err(fault) = journal.commit(change).await {
            return owed(failure, &record.sandbox_id, &fault.message);
        }
        // The caller's withdrawal ends the create, not its cleanup.
        let cleanup = Context { cancel: Default::default(), observer: context.observer.clone() };
        match self.tear_down(journal, placement, &cleanup).await {
            Ok(record) if record.state().is_closed() => failure.with_residue(Residue::None),
            Ok(record) => {
                let said = record.lifecycle.report().map(|report| report.errors.join("; ")).unwrap_or_default();
                owed(failure, &record.sandbox_id, &said)
            }
            Err(fault) => owed(failure, &record.sandbox_id, &fault.message),
        }
    }
}

fn cancelled_early() -> Failure {
    Failure::new(ErrorKind::Cancelled, "cancelled before anything was made").with_residue(Residue::None)
}

fn is_being_made(record: &Record) -> bool {
    match record.lifecycle {
        Lifecycle::Planned
        | Lifecycle::Provisioning { .. }
        | Lifecycle::Waiting { .. }
        | Lifecycle::Attaching { .. } => true,
        Lifecycle::Ready { .. }
        | Lifecycle::Paused { .. }
        | Lifecycle::Failed { .. }
        | Lifecycle::TearingDown { .. }
        | Lifecycle::Gone { .. }
        | Lifecycle::Forgotten { .. } => false,
    }
}

/// What may exist of a sandbox that is being made, before anything more is sent.
fn record_residue(record: &Record) -> Residue {
    match &record.lifecycle {
        Lifecycle::Provisioning { .. } if record.ambiguous => Residue::Unknown,
        Lifecycle::Provisioning { .. } => Residue::None,
        _ => Residue::Present,
    }
}

/// The same for one that nobody works on any more: what the last attempt did, nobody knows.
fn residue_of_unfinished(record: &Record) -> Residue {
    match record_residue(record) {
        Residue::None => Residue::Unknown,
        other => other,
    }
}

/// That nothing was made counts only as long as no earlier attempt was left in doubt.
fn in_doubt(failure: Failure, ambiguous: bool) -> Failure {
    if ambiguous && !failure.residue.may_exist() { failure.with_residue(Residue::Unknown) } else { failure }
}

/// Drops what cannot be the handle of this sandbox. Whoever says what was made cannot also say that nothing was.
fn without_wrong_handle(mut failure: Failure, request: &Provision) -> Failure {
    let Some(handle) = &failure.handle else { return failure };
    if let Err(fault) = handle.check(&request.sandbox_id, &request.host) {
        failure.causes.push(format!("what it said of what was made breaks the contract and was dropped: {fault}"));
        failure.handle = None;
    }
    in_doubt(failure, true)
}

fn sound(reachability: Reachability, host: &HostId) -> Result<Reachability, Failure> {
    match reachability.check(host) {
        Ok(()) => Ok(reachability),
        Err(fault) => {
            let message = format!("the extension returned a reachability that breaks the contract: {fault}");
            Err(Failure::new(ErrorKind::ContractViolation, message).with_residue(Residue::Present))
        }
    }
}

/// Adds to `failure` that something may still exist.
fn owed(failure: Failure, sandbox_id: &SandboxId, said: &str) -> Failure {
    let residue = if failure.residue.may_exist() { failure.residue } else { Residue::Unknown };
    let mut failure = failure.with_residue(residue);
    // What is told already is not told twice.
    let said = if said.contains(&failure.message) { "it failed alike" } else { said };
    failure.causes.push(format!("a teardown of `{sandbox_id}` is owed: {said}"));
    failure.with_hint(format!("`sandboxer rm {sandbox_id}` tries the teardown again"))
}
