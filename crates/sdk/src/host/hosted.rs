//! An extension whose methods are requests to a program.

use super::breach::{Breach, Rule};
use super::crew::{Crew, Source};
use super::inbox::CallFault;
use super::program::{HostLimits, Program};
use super::running::Running;
use super::trace::Trace;
use crate::wire::{
    Ask, AskConnect, AskDeleteSnapshot, AskDescribe, AskEstimateCost, AskExtend, AskFork, AskList, AskListSnapshots,
    AskPause, AskPrices, AskProvision, AskRecover, AskRestore, AskResume, AskSnapshot, AskStatus, AskTeardown,
    AskValidate, AskWaitReady, Described, Done, Estimated, Expiring, Found, LONGEST_LINE, Made, Method, Page, Priced,
    Reached, Removed, SnapshotsPage, Snapshotted, Surroundings, Validated, milliseconds, request_line,
};
use crate::{
    Call, Connect, Connection, EstimateCost, Extend, Fork, Ids, List, Listed, Pause, Prices, Provision, Recover,
    Recovered, SandboxExtension, Snapshots, StatusReport, StatusVerb, SystemIds, Teardown, Validate,
};
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_types::{
    CleanupReport, ErrorKind, ExtensionId, Failure, Handle, HostId, MeterPrice, MeterQuote, Object, Profile,
    Reachability, Residue, Snapshot, SnapshotKind, TimeSpan, Verb,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An extension that runs as a program of its own, or is spoken to as if it did.
pub struct HostedExtension {
    id: ExtensionId,
    crew: Crew,
    verbs: BTreeSet<Verb>,
}

impl HostedExtension {
    /// The extension that this program is. Nothing is started before the first call.
    pub fn new(program: Program, limits: HostLimits) -> Self {
        Self::traced(program, limits, None)
    }

    /// The same, with someone who sees what travels.
    pub fn traced(program: Program, limits: HostLimits, trace: Option<Arc<dyn Trace>>) -> Self {
        let (id, verbs, places) = (program.extension.clone(), program.verbs.clone(), program.concurrency);
        let crew = Crew::new(id.clone(), Source::Program(Box::new(program)), places, limits, trace);
        Self { id, crew, verbs }
    }

    /// An extension of this process, spoken to through the codec: what a program would do differently shows.
    pub fn in_process(
        id: ExtensionId,
        extension: Arc<dyn SandboxExtension>,
        limits: HostLimits,
        trace: Option<Arc<dyn Trace>>,
    ) -> Self {
        let verbs = crate::serve::verbs(extension.as_ref()).into_iter().collect();
        let crew = Crew::new(id.clone(), Source::InProcess(extension), u32::from(u16::MAX), limits, trace);
        Self { id, crew, verbs }
    }

    /// Asks it which verbs it has, beside those that its manifest declares.
    pub async fn learn_verbs(&mut self, call: &Call) -> Result<(), Failure> {
        let described = self.describe(call).await?;
        self.verbs.extend(described.verbs);
        Ok(())
    }

    /// What it says of itself.
    pub async fn describe(&self, call: &Call) -> Result<Described, Failure> {
        self.ask(call, AskDescribe {}).await
    }

    /// Ends its processes, and waits until nothing of them lives.
    pub async fn stop(&self) {
        self.crew.stop().await;
    }

    fn has(&self, verb: Verb) -> bool {
        self.verbs.contains(&verb)
    }

    pub(super) async fn ask<A: Ask>(&self, call: &Call, ask: A) -> Result<A::Answer, Failure> {
        self.ask_again(call, ask, |_, _| ()).await
    }

    /// Sends a request, and once more when the process died over it, with what it had kept by then.
    async fn ask_again<A: Ask>(
        &self,
        call: &Call,
        mut ask: A,
        with_draft: impl Fn(&mut A, Object) + Send,
    ) -> Result<A::Answer, Failure> {
        let mut call = call.clone();
        let mut died: Option<Breach> = None;
        loop {
            let place = self.place(&call).await?;
            let running = self.crew.hire().await.map_err(|breach| self.not_started(breach, died.as_ref()))?;
            let (outcome, draft) = self.converse(&running, &call, &ask).await?;
            let result = match outcome {
                Err(CallFault::Died(breach)) if died.is_none() && call.check().is_ok() => {
                    call.warn(format!("`{}` is asked once more: {}", self.id, breach.what));
                    died = Some(breach);
                    call.attempt += 1;
                    if let Some(draft) = draft {
                        with_draft(&mut ask, draft);
                    }
                    continue;
                }
                Err(fault) => Err(self.failure(fault, died.is_some())),
                Ok(result) => self.answer::<A>(&running, result),
            };
            self.crew.dismiss(running, place);
            return result;
        }
    }

    /// A place among the calls in flight; nothing was sent before there is one.
    async fn place(&self, call: &Call) -> Result<tokio::sync::OwnedSemaphorePermit, Failure> {
        tokio::select! {
            place = self.crew.places.clone().acquire_owned() => place.map_err(|_| {
                Failure::new(ErrorKind::Internal, format!("`{}` takes no calls any more", self.id))
                    .with_residue(Residue::None)
            }),
            end = call.ended() => Err(end.failure().with_residue(Residue::None)),
        }
    }

    async fn converse<A: Ask>(
        &self,
        running: &Running,
        call: &Call,
        ask: &A,
    ) -> Result<(Result<Value, CallFault>, Option<Object>), Failure> {
        let id = SystemIds.fresh().to_string().to_ascii_lowercase();
        let surroundings = Surroundings::of(call, &self.id, A::METHOD, &id);
        let line = request_line(&surroundings, ask).map_err(|error| {
            Failure::new(ErrorKind::Internal, format!("a request cannot be written: {error}"))
                .with_residue(Residue::None)
        })?;
        if line.len() > LONGEST_LINE {
            let message = format!("the request takes {} bytes; at most {LONGEST_LINE} are sent", line.len());
            return Err(Failure::invalid_input(message));
        }
        Ok(running.converse(call, &id, &line).await)
    }

    fn not_started(&self, breach: Breach, died: Option<&Breach>) -> Failure {
        let failure = breach.failure(&self.id);
        match died {
            // What the first process did before it died, nobody knows.
            Some(before) => {
                let mut failure = failure.with_residue(Residue::Unknown);
                failure.causes.push(format!("before that, {}", before.what));
                failure
            }
            None => failure,
        }
    }

    fn failure(&self, fault: CallFault, again: bool) -> Failure {
        match fault {
            CallFault::Refused(failure) => {
                // A statement about the second attempt is none about the first.
                let residue = if again && !failure.residue.may_exist() { Residue::Unknown } else { failure.residue };
                failure.with_residue(residue)
            }
            CallFault::NotKept(failure) => failure.with_residue(Residue::Unknown),
            CallFault::Died(breach) | CallFault::Broken(breach) => breach.failure(&self.id),
        }
    }

    /// Reads an answer. What is kept and shown holds no secrets; the rest is shown without them.
    fn answer<A: Ask>(&self, running: &Running, result: Value) -> Result<A::Answer, Failure> {
        let breach = |rule, what: String| Breach::new(rule, what).failure(&self.id);
        let is_kept = matches!(
            A::METHOD,
            Method::Provision
                | Method::Restore
                | Method::Fork
                | Method::Recover
                | Method::WaitReady
                | Method::Resume
                | Method::Validate
        );
        if is_kept && running.inbox().secrets_are_in(&result) {
            return Err(breach(Rule::Secret, format!("its answer to `{}` holds a secret", A::METHOD)));
        }
        // An address and its headers are used and never shown.
        let result = if A::METHOD == Method::Connect { result } else { running.inbox().hide_in(result) };
        serde_json::from_value(result).map_err(|error| {
            breach(Rule::Message, format!("its answer to `{}` has the wrong shape: {error}", A::METHOD))
        })
    }

    /// A handle must be of what was asked for.
    fn check(&self, handle: Handle, call: &Call, host: &HostId) -> Result<Handle, Failure> {
        match handle.check(&call.sandbox_id, host) {
            Ok(()) => Ok(handle),
            Err(fault) => {
                let too_large = matches!(fault, sandboxer_types::HandleFault::TooLarge(_));
                let rule = if too_large { Rule::Size } else { Rule::Identity };
                Err(Breach::new(rule, fault.to_string()).failure(&self.id))
            }
        }
    }
}

#[async_trait]
impl SandboxExtension for HostedExtension {
    async fn provision(&self, call: &Call, request: &Provision) -> Result<Handle, Failure> {
        let ask = AskProvision::from(request);
        let Made { handle } = self.ask_again(call, ask, |ask, draft| ask.draft = Some(draft)).await?;
        self.check(handle, call, &request.host)
    }

    async fn wait_ready(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        let Reached { reachability } = self.ask(call, AskWaitReady { handle: handle.clone() }).await?;
        Ok(reachability)
    }

    async fn teardown(&self, call: &Call, request: &Teardown) -> Result<CleanupReport, Failure> {
        let Removed { report } = self.ask(call, AskTeardown::from(request)).await?;
        Ok(report)
    }

    fn validate(&self) -> Option<&dyn Validate> {
        self.has(Verb::Validate).then_some(self)
    }

    fn recover(&self) -> Option<&dyn Recover> {
        self.has(Verb::Recover).then_some(self)
    }

    fn list(&self) -> Option<&dyn List> {
        self.has(Verb::List).then_some(self)
    }

    fn status(&self) -> Option<&dyn StatusVerb> {
        self.has(Verb::Status).then_some(self)
    }

    fn extend(&self) -> Option<&dyn Extend> {
        self.has(Verb::Extend).then_some(self)
    }

    fn pause(&self) -> Option<&dyn Pause> {
        (self.has(Verb::Pause) && self.has(Verb::Resume)).then_some(self)
    }

    fn estimate_cost(&self) -> Option<&dyn EstimateCost> {
        self.has(Verb::EstimateCost).then_some(self)
    }

    fn prices(&self) -> Option<&dyn Prices> {
        self.has(Verb::Prices).then_some(self)
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        (self.has(Verb::Snapshot) && self.has(Verb::Restore)).then_some(self)
    }

    fn fork(&self) -> Option<&dyn Fork> {
        self.has(Verb::Fork).then_some(self)
    }

    fn connect(&self) -> Option<&dyn Connect> {
        self.has(Verb::Connect).then_some(self)
    }
}

#[async_trait]
impl Validate for HostedExtension {
    async fn validate(&self, call: &Call, request: &Provision) -> Result<Object, Failure> {
        let Provision { host, profile, inputs, .. } = request.clone();
        let Validated { inputs } = self.ask(call, AskValidate { host, profile, inputs }).await?;
        Ok(inputs)
    }
}

#[async_trait]
impl Recover for HostedExtension {
    async fn recover(&self, call: &Call, host: &HostId, draft: Option<&Object>) -> Result<Recovered, Failure> {
        let found: Found = self.ask(call, AskRecover { host: host.clone(), draft: draft.cloned() }).await?;
        match found.into() {
            Recovered::Present(handle) => self.check(handle, call, host).map(Recovered::Present),
            other => Ok(other),
        }
    }
}

/// So many pages of a list are read; an extension that has more goes round in circles.
const MOST_PAGES: usize = 1000;

#[async_trait]
impl List for HostedExtension {
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
        let (mut all, mut page) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let ask = AskList { host: host.clone(), owner: call.owner.clone(), page };
            let Page { sandboxes, next } = self.ask(call, ask).await?;
            all.extend(sandboxes);
            match next {
                Some(next) => page = Some(next),
                None => return Ok(all),
            }
        }
        Err(endless(&self.id))
    }
}

fn endless(extension: &ExtensionId) -> Failure {
    Breach::new(Rule::Message, format!("a list has more than {MOST_PAGES} pages")).failure(extension)
}

#[async_trait]
impl StatusVerb for HostedExtension {
    async fn status(&self, call: &Call, handle: &Handle) -> Result<StatusReport, Failure> {
        self.ask(call, AskStatus { handle: handle.clone() }).await
    }
}

#[async_trait]
impl Extend for HostedExtension {
    async fn extend(&self, call: &Call, handle: &Handle, ttl: TimeSpan) -> Result<Timestamp, Failure> {
        let ask = AskExtend { handle: handle.clone(), ttl_ms: milliseconds(ttl) };
        let Expiring { expires_at } = self.ask(call, ask).await?;
        Ok(expires_at)
    }
}

#[async_trait]
impl Pause for HostedExtension {
    async fn pause(&self, call: &Call, handle: &Handle) -> Result<(), Failure> {
        let Done {} = self.ask(call, AskPause { handle: handle.clone() }).await?;
        Ok(())
    }

    async fn resume(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        let Reached { reachability } = self.ask(call, AskResume { handle: handle.clone() }).await?;
        Ok(reachability)
    }
}

#[async_trait]
impl EstimateCost for HostedExtension {
    async fn estimate_cost(
        &self,
        call: &Call,
        host: &HostId,
        profile: &Profile,
        inputs: &Object,
        duration: TimeSpan,
    ) -> Result<MeterQuote, Failure> {
        let (host, profile, inputs) = (host.clone(), profile.clone(), inputs.clone());
        let ask = AskEstimateCost { host, profile, inputs, duration_ms: milliseconds(duration) };
        let Estimated { quote } = self.ask(call, ask).await?;
        Ok(quote)
    }
}

#[async_trait]
impl Prices for HostedExtension {
    async fn prices(&self, call: &Call) -> Result<Vec<MeterPrice>, Failure> {
        let Priced { prices } = self.ask(call, AskPrices {}).await?;
        Ok(prices)
    }
}

#[async_trait]
impl Snapshots for HostedExtension {
    async fn snapshot(
        &self,
        call: &Call,
        handle: &Handle,
        snapshot_id: &str,
        kind: SnapshotKind,
    ) -> Result<Snapshot, Failure> {
        let ask = AskSnapshot { handle: handle.clone(), snapshot_id: snapshot_id.to_owned(), kind };
        let Snapshotted { snapshot } = self.ask(call, ask).await?;
        if snapshot.snapshot_id == snapshot_id {
            return Ok(snapshot);
        }
        let what = format!("it kept the snapshot as `{}`, not as `{snapshot_id}`", snapshot.snapshot_id);
        Err(Breach::new(Rule::Identity, what).failure(&self.id))
    }

    async fn restore(&self, call: &Call, snapshot_id: &str, request: &Provision) -> Result<Handle, Failure> {
        let ask = AskRestore::of(snapshot_id.to_owned(), request);
        let Made { handle } = self.ask_again(call, ask, |ask, draft| ask.draft = Some(draft)).await?;
        self.check(handle, call, &request.host)
    }

    async fn list_snapshots(&self, call: &Call, host: &HostId) -> Result<Vec<Snapshot>, Failure> {
        let (mut all, mut page) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let ask = AskListSnapshots { host: host.clone(), owner: call.owner.clone(), page };
            let SnapshotsPage { snapshots, next } = self.ask(call, ask).await?;
            all.extend(snapshots);
            match next {
                Some(next) => page = Some(next),
                None => return Ok(all),
            }
        }
        Err(endless(&self.id))
    }

    async fn delete_snapshot(&self, call: &Call, host: &HostId, snapshot_id: &str) -> Result<CleanupReport, Failure> {
        let ask = AskDeleteSnapshot { host: host.clone(), snapshot_id: snapshot_id.to_owned() };
        let Removed { report } = self.ask(call, ask).await?;
        Ok(report)
    }
}

#[async_trait]
impl Fork for HostedExtension {
    async fn fork(&self, call: &Call, source: &Handle, request: &Provision) -> Result<Handle, Failure> {
        let ask = AskFork::of(source.clone(), request);
        let Made { handle } = self.ask_again(call, ask, |ask, draft| ask.draft = Some(draft)).await?;
        self.check(handle, call, &request.host)
    }
}

#[async_trait]
impl Connect for HostedExtension {
    async fn connect(&self, call: &Call, handle: &Handle) -> Result<Connection, Failure> {
        self.ask(call, AskConnect { handle: handle.clone() }).await
    }
}
