//! The model: one good extension over the backend in `cloud.rs`, with every verb, and all the ways in which it can be broken.
//!
//! It finds what it made by labels alone, so that it needs to remember nothing; it does one thing at a time to one sandbox, by a
//! lock of the kernel's that dies with its holder; and it says of each error what may be left.

mod inputs;
mod looking;
mod making;
mod snapshots;
mod verbs;

use crate::cloud::{BackendId, Cloud, Thing};
use crate::mutation::Mutation;
use crate::subject::BEHIND_A_DOOR;
use crate::wire;
use async_trait::async_trait;
use rustix::fs::{FlockOperation, flock};
use sandboxer_sdk::{
    Call, Connect, EstimateCost, Extend, Fork, List, Pause, Prices, Provision, Recover, SandboxExtension, Snapshots,
    StatusVerb, Teardown, Validate,
};
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Handle, Reachability, Residue, SandboxId};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) use inputs::schema;

/// How long the backend takes for each thing that is asked of it: long enough for a kill to come in between.
const STEP: Duration = Duration::from_millis(15);
/// How long an agent takes to listen.
const BOOT: Duration = Duration::from_millis(40);
/// A deadline that comes so soon is over.
const NEAR: Duration = Duration::from_secs(5);
/// How often a lock is tried.
const TRYING: Duration = Duration::from_millis(3);

/// The model, perhaps broken.
pub(crate) struct Model {
    mutation: Option<Mutation>,
    /// Whether its sandboxes are entered through a machine.
    behind_a_door: bool,
    /// What this process has made. Nothing but mutants looks at it.
    made: Mutex<BTreeSet<SandboxId>>,
}

/// `model [MUTATION] [--behind-a-door]`: serves the protocol on the standard streams.
pub(crate) fn serve(words: &[String]) -> ExitCode {
    let behind_a_door = words.iter().any(|word| word == BEHIND_A_DOOR);
    let mutation = words.iter().find_map(|name| Mutation::named(name));
    let model = Model { mutation, behind_a_door, made: Mutex::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let served = runtime.block_on(wire::serve(Arc::new(model), mutation));
    // A thread that still waits for input must not hold up the end.
    runtime.shutdown_background();
    served.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

/// Whoever holds it is the only one who does something to a sandbox.
pub(super) struct Turn(Option<File>);

impl Model {
    pub(super) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(super) fn cloud(&self, call: &Call) -> Result<Cloud, Failure> {
        let root = call.config.get("root").and_then(serde_json::Value::as_str).ok_or_else(|| {
            Failure::new(ErrorKind::Precondition, "the manifest's config has no `root`").with_residue(Residue::None)
        })?;
        Ok(Cloud::at(Path::new(root)))
    }

    /// Waits for its turn.
    pub(super) async fn turn(&self, call: &Call, cloud: &Cloud) -> Result<Turn, Failure> {
        if self.is(Mutation::TwoProcessesDoNotWaitForEachOther) {
            return Ok(Turn(None));
        }
        loop {
            if let Some(turn) = try_turn(call, cloud)? {
                return Ok(turn);
            }
            // Somebody else is at it.
            self.rest(call, TRYING).await.map_err(|failure| failure.with_residue(Residue::InProgress))?;
        }
    }

    /// The backend takes its time. An error when the call has to end meanwhile, with the residue `unknown`.
    pub(super) async fn step(&self, call: &Call) -> Result<(), Failure> {
        self.rest(call, STEP).await
    }

    async fn rest(&self, call: &Call, span: Duration) -> Result<(), Failure> {
        let ended = tokio::select! {
            biased;
            end = call.ended() => end,
            () = tokio::time::sleep(span) => return Ok(()),
        };
        let left = call.deadline.saturating_duration_since(tokio::time::Instant::now());
        let hangs = match left < NEAR {
            true => self.is(Mutation::HangsWhenItsTimeIsOver),
            false => self.is(Mutation::DoesNotHearOfACancel),
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        Err(ended.failure())
    }

    /// Everything that is this sandbox, of which there is one at most unless something went wrong.
    pub(super) fn find(&self, call: &Call, cloud: &Cloud) -> Result<Vec<(BackendId, Thing)>, Failure> {
        let (id, owner) = (("sandboxer.id", call.sandbox_id.as_str()), ("sandboxer.owner", call.owner.as_str()));
        if self.is(Mutation::HandleRecordedAfterTheEffect) {
            return self.find_by_record(call, cloud);
        }
        let labels = if self.is(Mutation::FindsByTheIdAlone) { vec![id] } else { vec![id, owner] };
        Ok(cloud.find(&labels)?)
    }
}

/// Its turn, when nobody else has it.
pub(super) fn try_turn(call: &Call, cloud: &Cloud) -> Result<Option<Turn>, Failure> {
    let cannot = |error: std::io::Error| Failure::new(ErrorKind::Internal, "there is no lock").caused_by(&error);
    let locks = cloud.root().join("locks");
    std::fs::create_dir_all(&locks).map_err(cannot)?;
    let file = File::create(locks.join(format!("{}-{}", call.owner, call.sandbox_id))).map_err(cannot)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Turn(Some(file)))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(cannot(error.into())),
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // The kernel takes the lock back with the file.
        drop(self.0.take());
    }
}

#[async_trait]
impl SandboxExtension for Model {
    async fn provision(&self, call: &Call, request: &Provision) -> Result<Handle, Failure> {
        self.make(call, request, &making::Source::Nothing).await.map_err(|failure| self.told(failure))
    }

    async fn wait_ready(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        self.reach(call, handle).await.map_err(|failure| self.told(failure))
    }

    async fn teardown(&self, call: &Call, request: &Teardown) -> Result<CleanupReport, Failure> {
        self.remove(call, request).await.map_err(|failure| self.told(failure))
    }

    fn validate(&self) -> Option<&dyn Validate> {
        Some(self)
    }

    fn recover(&self) -> Option<&dyn Recover> {
        self.has_witnesses().then_some(self)
    }

    fn list(&self) -> Option<&dyn List> {
        self.has_witnesses().then_some(self)
    }

    fn status(&self) -> Option<&dyn StatusVerb> {
        self.has_witnesses().then_some(self)
    }

    fn extend(&self) -> Option<&dyn Extend> {
        Some(self)
    }

    fn pause(&self) -> Option<&dyn Pause> {
        Some(self)
    }

    fn estimate_cost(&self) -> Option<&dyn EstimateCost> {
        Some(self)
    }

    fn prices(&self) -> Option<&dyn Prices> {
        Some(self)
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        Some(self)
    }

    fn fork(&self) -> Option<&dyn Fork> {
        Some(self)
    }

    fn connect(&self) -> Option<&dyn Connect> {
        (!self.behind_a_door).then_some(self)
    }

    fn version(&self) -> Option<&str> {
        Some("1")
    }
}

impl Model {
    fn has_witnesses(&self) -> bool {
        !self.is(Mutation::NobodyCanLookForIt)
    }

    fn told(&self, failure: Failure) -> Failure {
        match self.is(Mutation::ErrorsSayNothingIsLeft) {
            true => failure.with_residue(Residue::None),
            false => failure,
        }
    }
}
