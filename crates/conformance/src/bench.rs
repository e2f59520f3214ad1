//! What a check works with: it makes, asks and removes, and everything it makes is written down first.

use crate::backend::Backend;
use crate::check::Stop;
use crate::dice::Dice;
use crate::ledger::{Entry, Ledger};
use crate::patience::Patience;
use crate::peer::Peer;
use crate::subject::Subject;
use crate::transcript::Transcript;
use sandboxer_sdk::{Ids, SystemIds};
use sandboxer_types::{Handle, HostId, Object, OwnerId, Reachability, SandboxId, SshDestination, Verb};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a sandbox of the suite may live, unless a check wants it shorter.
const LIFETIME: Duration = Duration::from_secs(3600);

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
pub(crate) struct Known {
    pub(crate) reachability: Option<Reachability>,
    pub(crate) draft: Option<Object>,
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

    /// What leads into it, to be left again when it is removed.
    pub(crate) fn remember(&self, named: &Named, reachability: &Reachability) {
        self.known().entry(named.sandbox_id.clone()).or_default().reachability = Some(reachability.clone());
    }

    pub(crate) fn reachability(&self, sandbox_id: &SandboxId) -> Option<Reachability> {
        self.known().get(sandbox_id)?.reachability.clone()
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

    pub(crate) fn named(&self, entry: &Entry) -> Named {
        let Entry { sandbox_id, host, owner, inputs, .. } = entry.clone();
        Named { sandbox_id, host, owner, inputs, ..self.nobody() }
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, BTreeMap<SandboxId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Skips the check unless the manifest declares this feature.
pub(crate) fn needs_feature(bench: &Bench, feature: sandboxer_types::Feature) -> Result<(), Stop> {
    match bench.subject().manifest.capabilities.features.contains(&feature) {
        true => Ok(()),
        false => Err(Stop::skipped(format!("it does not declare `{feature}`"))),
    }
}
