//! What a check works with: it makes, asks and removes, and everything it makes is written down first.

use crate::backend::Backend;
use crate::check::{Stop, hold};
use crate::conversation::{Conversation, Ending, Request, converse, failure};
use crate::dice::Dice;
use crate::fault::Fault;
use crate::ledger::{Entry, Ledger};
use crate::patience::Patience;
use crate::peer::Peer;
use crate::subject::Subject;
use crate::transcript::Transcript;
use sandboxer_sdk::wire::{Ask, AskProvision, AskTeardown, AskWaitReady, Meta, PROTOCOL, Surroundings, request_line};
use sandboxer_sdk::{Clock, Ids, Intent, SystemClock, SystemIds, TeardownReason};
use sandboxer_types::{
    CleanupReport, ErrorKind, Failure, Handle, HostId, Object, OwnerId, Reachability, Residue, SandboxId,
    SshDestination, Verb,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For the verbs that only look, as the engine has it.
const QUERY: Duration = Duration::from_secs(30);
/// How long a sandbox of the suite may live, unless a check wants it shorter.
const LIFETIME: Duration = Duration::from_secs(3600);
/// How often something that says that trying again may help is tried.
const ATTEMPTS: u32 = 20;
/// How long before the next attempt.
const PAUSE: Duration = Duration::from_millis(250);

/// What all checks of a run have in common.
pub(crate) struct Common {
    pub(crate) subject: Subject,
    pub(crate) backend: Backend,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) transcript: Arc<Transcript>,
    /// Whose sandboxes they are.
    pub(crate) owner: OwnerId,
    /// Somebody else.
    pub(crate) stranger: OwnerId,
    /// The optional verbs that there are, by the manifest's word or the extension's own.
    pub(crate) verbs: BTreeSet<Verb>,
    /// The secrets that it is handed, by name.
    pub(crate) secrets: BTreeMap<String, String>,
    /// What the backend had before anything was made.
    pub(crate) baseline: Mutex<Option<Vec<String>>>,
    /// How many kills at random instants a check makes.
    pub(crate) kills: u32,
    pub(crate) patience: Patience,
}

impl Common {
    /// What the backend had before anything was made; `None` when the plan does not say how to ask.
    pub(crate) fn baseline(&self) -> Option<Vec<String>> {
        self.baseline.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on, what the backend has is what it had before.
    pub(crate) async fn take_baseline(&self) -> Result<(), Stop> {
        let now = self.backend.inventory().await?;
        *self.baseline.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }
}

/// What one check works with.
pub(crate) struct Bench {
    pub(crate) common: Arc<Common>,
    dice: Mutex<Dice>,
    known: Mutex<BTreeMap<SandboxId, Known>>,
    faults: AtomicU64,
}

/// What is known of a sandbox beside its name.
#[derive(Debug, Clone, Default)]
struct Known {
    reachability: Option<Reachability>,
    draft: Option<Object>,
}

/// The name of a sandbox, and whose it is: written down, and perhaps made.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) sandbox_id: SandboxId,
    pub(crate) host: HostId,
    pub(crate) owner: OwnerId,
    pub(crate) inputs: Object,
    /// How long it may live.
    pub(crate) lifetime: Duration,
    /// Where ssh finds its host.
    pub(crate) ssh: Option<SshDestination>,
}

/// A sandbox that is ready.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) named: Named,
    pub(crate) handle: Handle,
    pub(crate) reachability: Reachability,
}

impl Named {
    pub(crate) fn minimal_handle(&self) -> Handle {
        Handle::minimal(&self.sandbox_id, &self.host)
    }

    /// The same for somebody else.
    pub(crate) fn of(&self, owner: &OwnerId) -> Self {
        Self { owner: owner.clone(), ..self.clone() }
    }
}

impl Bench {
    pub(crate) fn new(common: Arc<Common>, seed: u64, check: &str) -> Self {
        let dice = Mutex::new(Dice::new(seed, check));
        Self { common, dice, known: Mutex::default(), faults: AtomicU64::new(0) }
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.common.subject
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.common.backend
    }

    pub(crate) fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A word of sixteen letters and digits that nobody else has, not even a run of the same seed.
    pub(crate) fn word(&self) -> String {
        SystemIds.fresh().to_string().to_ascii_lowercase().split_off(10)
    }

    /// How often a fault struck.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// A fault struck in a way of the check's own.
    pub(crate) fn count_fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the transcript what the suite does itself.
    pub(crate) fn did(&self, what: &str) {
        self.common.transcript.did(what);
    }

    pub(crate) fn has(&self, verb: Verb) -> bool {
        self.common.verbs.contains(&verb)
    }

    /// Skips the check where the extension does not have this verb.
    pub(crate) fn needs(&self, verb: Verb) -> Result<(), Stop> {
        if self.has(verb) { Ok(()) } else { Err(Stop::skipped(format!("it does not have `{verb}`"))) }
    }

    /// A fresh name, with the plan's inputs. From now on it counts as something that may exist.
    pub(crate) fn name(&self) -> Result<Named, Stop> {
        self.name_with(self.subject().inputs(&self.subject().plan.inputs))
    }

    /// A fresh name with these inputs.
    pub(crate) fn name_with(&self, inputs: Object) -> Result<Named, Stop> {
        self.name_as(SandboxId::from_ulid(SystemIds.fresh()), inputs)
    }

    /// This name, with these inputs.
    pub(crate) fn name_as(&self, sandbox_id: SandboxId, inputs: Object) -> Result<Named, Stop> {
        let named = Named { sandbox_id, inputs, ..self.nobody() };
        let entry = Entry {
            sandbox_id: named.sandbox_id.clone(),
            host: named.host.clone(),
            owner: named.owner.clone(),
            inputs: named.inputs.clone(),
            snapshots: Vec::new(),
        };
        self.common.ledger.enter(entry).map_err(|fault| Stop::failed(fault.to_string()))?;
        self.known().entry(named.sandbox_id.clone()).or_default();
        Ok(named)
    }

    /// Writes down that a snapshot may exist, which goes when the sandbox of this name goes.
    pub(crate) fn name_snapshot(&self, named: &Named) -> Result<String, Stop> {
        let snapshot_id = format!("snap{}", SystemIds.fresh().to_string().to_ascii_lowercase());
        let entered = self.common.ledger.enter_snapshot(&named.sandbox_id, &snapshot_id);
        entered.map_err(|fault| Stop::failed(fault.to_string()))?;
        Ok(snapshot_id)
    }

    /// Starts a process of the extension.
    pub(crate) fn peer(&self) -> Result<Peer, Stop> {
        Peer::start(&self.subject().program, &self.common.transcript)
    }

    /// What every request about it brings along.
    pub(crate) fn surroundings<A: Ask>(&self, named: &Named, limit: Duration) -> Surroundings {
        let method = A::METHOD.as_str();
        let labels = [("sandboxer.owner", named.owner.to_string()), ("sandboxer.id", named.sandbox_id.to_string())];
        let is_query = matches!(method, "list" | "list_snapshots" | "prices" | "estimate_cost" | "delete_snapshot");
        let makes = matches!(method, "provision" | "restore" | "fork" | "validate");
        let intent = Intent { profile: self.subject().profile.clone(), inputs: named.inputs.clone() };
        let meta = Meta {
            protocol: PROTOCOL,
            ext: self.subject().manifest.id.clone(),
            owner: named.owner.clone(),
            ssh: named.ssh.clone().filter(|_| method != "describe"),
            call: SystemIds.fresh().to_string().to_ascii_lowercase(),
            attempt: 1,
            deadline_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        };
        if method == "describe" {
            // To it, all but that is empty.
            let (config, secrets, labels) = Default::default();
            return Surroundings { meta, sandbox_id: None, intent: None, config, secrets, labels };
        }
        Surroundings {
            meta,
            sandbox_id: (!is_query).then(|| named.sandbox_id.clone()),
            intent: (!is_query && !makes).then_some(intent),
            config: self.subject().manifest.config.clone(),
            secrets: self.secrets_for(method),
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        }
    }

    /// The secrets that the manifest hands to this method.
    fn secrets_for(&self, method: &str) -> BTreeMap<String, String> {
        let is_for = |name: &String| {
            let declared = self.subject().manifest.secrets.get(name);
            declared.is_some_and(|one| one.verbs.is_empty() || one.verbs.iter().any(|verb| verb == method))
        };
        self.common
            .secrets
            .iter()
            .filter(|(name, _)| is_for(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// How long a call of this method has.
    pub(crate) fn limit_of(&self, method: &str) -> Duration {
        let timeouts = &self.subject().manifest.timeouts;
        let (given, usual) = match method {
            "provision" | "restore" | "fork" => (timeouts.provision, 15 * 60),
            "wait_ready" | "resume" => (timeouts.wait_ready, 10 * 60),
            "teardown" | "delete_snapshot" | "snapshot" => (timeouts.teardown, 10 * 60),
            _ => (None, QUERY.as_secs()),
        };
        given.map_or(Duration::from_secs(usual), |given| given.as_duration())
    }

    /// A question about it as a request.
    pub(crate) fn request<A: Ask>(&self, named: &Named, ask: &A) -> Result<Request, Stop> {
        let limit = self.limit_of(A::METHOD.as_str());
        let surroundings = self.surroundings::<A>(named, limit);
        let line = request_line(&surroundings, ask).map_err(|error| Stop::failed(error.to_string()))?;
        Ok(Request { call: surroundings.meta.call, line: line.into_bytes(), limit, hold: None })
    }

    /// Asks a process, in which this goes wrong.
    pub(crate) async fn converse<A: Ask>(
        &self,
        peer: &mut Peer,
        named: &Named,
        ask: &A,
        fault: Option<Fault>,
    ) -> Result<Conversation, Stop> {
        let request = self.request(named, ask)?;
        let conversation = converse(peer, &request, fault, self.common.patience.answering).await?;
        if conversation.struck {
            self.count_fault();
        }
        if let Some(draft) = conversation.drafts.last() {
            self.known().entry(named.sandbox_id.clone()).or_default().draft = Some(draft.clone());
        }
        Ok(conversation)
    }

    /// Asks a process.
    pub(crate) async fn ask_in<A: Ask>(
        &self,
        peer: &mut Peer,
        named: &Named,
        ask: &A,
    ) -> Result<Result<A::Answer, Failure>, Stop> {
        let conversation = self.converse(peer, named, ask, None).await?;
        read::<A>(conversation)
    }

    /// Asks a fresh process, whose group is killed once it has answered: what should stay must not mind.
    pub(crate) async fn ask<A: Ask>(&self, named: &Named, ask: &A) -> Result<Result<A::Answer, Failure>, Stop> {
        let mut peer = self.peer()?;
        let answer = self.ask_in(&mut peer, named, ask).await?;
        peer.kill().await?;
        Ok(answer)
    }

    /// Asks a fresh process, in which this goes wrong.
    pub(crate) async fn ask_with<A: Ask>(&self, named: &Named, ask: &A, fault: Fault) -> Result<Conversation, Stop> {
        self.did(&format!("`{}` of {} is {fault}", A::METHOD, named.sandbox_id));
        let mut peer = self.peer()?;
        let conversation = self.converse(&mut peer, named, ask, Some(fault)).await?;
        peer.kill().await?;
        Ok(conversation)
    }

    /// The question that makes it, with what an earlier attempt has kept.
    pub(crate) fn provision_of(&self, named: &Named) -> AskProvision {
        let now = SystemClock.now();
        AskProvision {
            host: named.host.clone(),
            profile: self.subject().profile.clone(),
            inputs: named.inputs.clone(),
            ttl_ms: u64::try_from(named.lifetime.as_millis()).unwrap_or(u64::MAX),
            expires_at: now.checked_add(named.lifetime).unwrap_or(now),
            tether: None,
            draft: self.known().get(&named.sandbox_id).and_then(|known| known.draft.clone()),
        }
    }

    pub(crate) fn teardown_of(&self, named: &Named, handle: &Handle) -> AskTeardown {
        AskTeardown { host: named.host.clone(), handle: handle.clone(), reason: TeardownReason::Requested }
    }

    /// Makes it in a fresh process. A handle must be of what was asked for.
    pub(crate) async fn provision(&self, named: &Named) -> Result<Result<Handle, Failure>, Stop> {
        match self.ask(named, &self.provision_of(named)).await? {
            Ok(made) => checked(made.handle, named).map(Ok),
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Makes it, which must succeed; what says that trying again may help is tried again.
    pub(crate) async fn must_provision(&self, named: &Named) -> Result<Handle, Stop> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.provision(named).await? {
                Ok(handle) => return Ok(handle),
                Err(failure) if may_pass(&failure) && attempt < ATTEMPTS => tokio::time::sleep(PAUSE).await,
                Err(failure) => return Err(Stop::failed(format!("`provision` failed: {}", told(&failure)))),
            }
        }
    }

    /// Waits until it is ready, in a fresh process.
    pub(crate) async fn wait_ready(
        &self,
        named: &Named,
        handle: &Handle,
    ) -> Result<Result<Reachability, Failure>, Stop> {
        match self.ask(named, &AskWaitReady { handle: handle.clone() }).await? {
            Ok(reached) => {
                self.remember(named, &reached.reachability);
                Ok(Ok(reached.reachability))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Waits until it is ready, which must succeed.
    pub(crate) async fn must_be_ready(&self, named: &Named, handle: &Handle) -> Result<Reachability, Stop> {
        let ready = self.wait_ready(named, handle).await?;
        ready.map_err(|failure| Stop::failed(format!("`wait_ready` failed: {}", told(&failure))))
    }

    /// What leads into it, to be left again when it is removed.
    pub(crate) fn remember(&self, named: &Named, reachability: &Reachability) {
        self.known().entry(named.sandbox_id.clone()).or_default().reachability = Some(reachability.clone());
    }

    pub(crate) fn reachability(&self, sandbox_id: &SandboxId) -> Option<Reachability> {
        self.known().get(sandbox_id)?.reachability.clone()
    }

    /// Makes a sandbox, which must succeed.
    pub(crate) async fn make(&self) -> Result<Made, Stop> {
        self.make_named(self.name()?).await
    }

    /// Makes the sandbox of this name, which must succeed.
    pub(crate) async fn make_named(&self, named: Named) -> Result<Made, Stop> {
        let handle = self.must_provision(&named).await?;
        let reachability = self.must_be_ready(&named, &handle).await?;
        Ok(Made { named, handle, reachability })
    }

    /// Tears it down in a fresh process.
    pub(crate) async fn teardown(
        &self,
        named: &Named,
        handle: &Handle,
    ) -> Result<Result<CleanupReport, Failure>, Stop> {
        Ok(self.ask(named, &self.teardown_of(named, handle)).await?.map(|removed| removed.report))
    }

    /// Tears it down, which must succeed and be complete; what says that trying again may help is tried again.
    pub(crate) async fn must_tear_down(&self, named: &Named, handle: &Handle) -> Result<CleanupReport, Stop> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.teardown(named, handle).await? {
                Ok(report) if report.complete => return Ok(report),
                Ok(_) if attempt < ATTEMPTS => {}
                Err(failure) if may_pass(&failure) && attempt < ATTEMPTS => {}
                Ok(report) => {
                    let errors = report.errors.join("; ");
                    return Err(Stop::failed(format!("`teardown` never became complete: {errors}")));
                }
                Err(failure) => return Err(Stop::failed(format!("`teardown` failed: {}", told(&failure)))),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Removes a sandbox, which must succeed, and looks whether it is really gone.
    pub(crate) async fn remove(&self, named: &Named, handle: &Handle) -> Result<CleanupReport, Stop> {
        let report = self.must_tear_down(named, handle).await?;
        self.leave(named).await?;
        self.must_be_gone(named).await?;
        self.strike(named)?;
        Ok(report)
    }

    /// Forgets a sandbox of which it was said that nothing was made. That anybody sees it is a broken rule; where nobody can
    /// look, because its inputs lead nowhere, there is nothing to be seen.
    pub(crate) async fn forget(&self, named: &Named, said: &Failure) -> Result<(), Stop> {
        if let Ok(Some(how)) = self.seen(named).await {
            return Err(Stop::failed(format!("it said that nothing is left ({}), and yet: {how}", told(said))));
        }
        self.strike(named)
    }

    pub(crate) fn strike(&self, named: &Named) -> Result<(), Stop> {
        self.known().remove(&named.sandbox_id);
        self.common.ledger.strike(&named.sandbox_id).map_err(|fault| Stop::failed(fault.to_string()))
    }

    /// Somebody whom no sandbox stands behind, for questions that are about none.
    pub(crate) fn nobody(&self) -> Named {
        Named {
            sandbox_id: SandboxId::from_ulid(ulid::Ulid::nil()),
            host: self.subject().host(),
            owner: self.common.owner.clone(),
            inputs: Object::new(),
            lifetime: LIFETIME,
            ssh: self.subject().ssh.clone(),
        }
    }

    /// Removes whatever the check has left. What cannot be removed, or is not gone then, fails the check.
    pub(crate) async fn clean(&self) -> Result<(), Stop> {
        self.backend().bring_back().await?;
        let mut first = Ok(());
        // What another check could not remove is in its own result already.
        let own = |entry: &Entry| self.known().contains_key(&entry.sandbox_id);
        for entry in self.common.ledger.entries().into_iter().rev().filter(own) {
            first = first.and(self.sweep_entry(&entry).await);
        }
        let new = self.nothing_new().await;
        if new.is_err() {
            // What this check has left is in its own result; the next one is not to be blamed for it.
            self.common.take_baseline().await?;
        }
        first.and(new)
    }

    fn named(&self, entry: &Entry) -> Named {
        let Entry { sandbox_id, host, owner, inputs, .. } = entry.clone();
        Named { sandbox_id, host, owner, inputs, ..self.nobody() }
    }

    /// Removes what a ledger has, with its snapshots.
    pub(crate) async fn sweep_entry(&self, entry: &Entry) -> Result<(), Stop> {
        let named = self.named(entry);
        let mut kept = Ok(());
        for snapshot_id in &entry.snapshots {
            kept = kept.and(self.delete_snapshot(&named, snapshot_id).await);
        }
        let removed = self.remove(&named, &named.minimal_handle()).await;
        kept.and(removed.map(drop))
    }

    async fn delete_snapshot(&self, named: &Named, snapshot_id: &str) -> Result<(), Stop> {
        let ask =
            sandboxer_sdk::wire::AskDeleteSnapshot { host: named.host.clone(), snapshot_id: snapshot_id.to_owned() };
        match self.ask(named, &ask).await? {
            Ok(removed) if removed.report.complete => Ok(()),
            Ok(removed) => {
                Err(Stop::failed(format!("the snapshot `{snapshot_id}` stays: {:?}", removed.report.errors)))
            }
            Err(failure) => Err(Stop::failed(format!("the snapshot `{snapshot_id}` stays: {}", told(&failure)))),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<SandboxId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer in its shape.
pub(crate) fn read<A: Ask>(conversation: Conversation) -> Result<Result<A::Answer, Failure>, Stop> {
    let method = A::METHOD.as_str();
    match conversation.answer(method)? {
        Err(error) => Ok(Err(failure(error))),
        Ok(result) => serde_json::from_value(result)
            .map(Ok)
            .map_err(|error| Stop::failed(format!("its answer to `{method}` has the wrong shape: {error}"))),
    }
}

/// The answer in its shape, where there was one.
pub(crate) fn read_if_answered<A: Ask>(conversation: Conversation) -> Result<Option<Result<A::Answer, Failure>>, Stop> {
    match &conversation.ending {
        Ending::Answered(_) => read::<A>(conversation).map(Some),
        Ending::Died(_) | Ending::Cut => Ok(None),
    }
}

/// A handle must be of what was asked for.
pub(crate) fn checked(handle: Handle, named: &Named) -> Result<Handle, Stop> {
    let sound = handle.check(&named.sandbox_id, &named.host);
    sound.map(|()| handle).map_err(|fault| Stop::failed(format!("its handle breaks a rule: {fault}")))
}

/// Whether trying again may help: somebody else is still at it.
pub(crate) fn may_pass(failure: &Failure) -> bool {
    matches!(failure.kind, ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Deadline)
        || failure.residue == Residue::InProgress
}

/// A failure in a sentence.
pub(crate) fn told(failure: &Failure) -> String {
    let fields =
        failure.fields.iter().map(|field| format!("; `{}` {}", field.field, field.message)).collect::<String>();
    format!("{} (`{}`, residue `{}`){fields}", failure.message, failure.kind, failure.residue)
}

/// Skips the check unless the manifest declares this feature.
pub(crate) fn needs_feature(bench: &Bench, feature: sandboxer_types::Feature) -> Result<(), Stop> {
    match bench.subject().manifest.capabilities.features.contains(&feature) {
        true => Ok(()),
        false => Err(Stop::skipped(format!("it does not declare `{feature}`"))),
    }
}

/// That a report is one of somebody who has looked.
pub(crate) fn must_say_something(report: &CleanupReport) -> Result<(), Stop> {
    let said = report.removed.len() + report.already_absent.len() + report.retained.len();
    hold!(said > 0, "its report is complete, and says of nothing that it was removed, absent or retained");
    Ok(())
}
