//! An extension whose methods are requests to a program.

use super::breach::{Breach, Rule};
use super::crew::{Crew, Source};
use super::inbox::CallFault;
use super::program::{HostLimits, Program};
use super::running::Running;
use super::trace::Trace;
use crate::wire::{
    Ask, AskDescribe, AskProvision, AskTeardown, AskWaitReady, Described, LONGEST_LINE, Made, Method, Reached, Removed,
    Surroundings, request_line,
};
use crate::{
    Call, Connect, EstimateCost, Extend, Fork, Ids, List, Pause, Prices, Provision, Recover, SandboxExtension,
    Snapshots, StatusVerb, SystemIds, Teardown, Validate,
};
use async_trait::async_trait;
use sandboxer_types::{
    CleanupReport, ErrorKind, ExtensionId, Failure, Handle, HostId, Object, Reachability, Residue, Verb,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An extension that runs as a program of its own, or is spoken to as if it did.
pub struct HostedExtension {
    pub(super) id: ExtensionId,
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
    pub(super) async fn ask_again<A: Ask>(
        &self,
        call: &Call,
        mut ask: A,
        with_draft: impl Fn(&mut A, Object) + Send,
    ) -> Result<A::Answer, Failure> {
        let mut call = call.clone();
        let mut died: Option<Breach> = None;
        loop {
            let (id, line) = self.request(&call, &ask)?;
            let place = self.place(&call).await?;
            let running = self.crew.hire().await.map_err(|breach| self.not_started(breach, died.as_ref()))?;
            let (outcome, draft) = running.converse(&call, &id, &line).await;
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

    /// A request under a fresh name, as a line. Nothing was sent when it cannot be one.
    fn request<A: Ask>(&self, call: &Call, ask: &A) -> Result<(String, String), Failure> {
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
        Ok((id, line))
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
                let mut failure = failure.with_residue(residue);
                if !failure.message.contains(self.id.as_str()) {
                    failure.message = format!("`{}`: {}", self.id, failure.message);
                }
                failure
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
    pub(super) fn check(&self, handle: Handle, call: &Call, host: &HostId) -> Result<Handle, Failure> {
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
