//! A machine on which processes share one state directory.

use crate::alive::Alive;
use crate::machines::FakeMachines;
use crate::{CrashPoints, CrashingStore, Ended, FakeExtension, HandClock, HeldSecrets, World};
use async_trait::async_trait;
use sandboxer_broker::catalog::{BuiltinHandler, Catalog, CatalogExtension, CatalogSource, TrustBook};
use sandboxer_broker::state::ProcessId;
use sandboxer_broker::store::SqliteStore;
use sandboxer_broker::{Broker, Extensions, Parts, Patience};
use sandboxer_sdk::testing::FakeHost;
use sandboxer_sdk::{Ids, SandboxExtension};
use sandboxer_types::{Failure, SandboxCreateRequest, Tether};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ulid::Ulid;

const CATALOG: &[(&str, &str)] = &[
    (
        "extensions/ext.fake.yaml",
        "id: ext.fake
title: A backend in memory
handler: builtin:fake
capabilities:
  isolation_levels: [container]
  pricing_model: free
  verbs: [recover, list, status, extend]
  features: [labels, idempotent]
inputs_schema: {type: object, properties: {size: {type: integer}}, additionalProperties: false}
",
    ),
    (
        "profiles/profile.fake.yaml",
        "id: profile.fake
extension: ext.fake
ttl: {default: 1h, max: 24h}
",
    ),
];

const HANDLERS: &[BuiltinHandler] = &[BuiltinHandler { name: "fake", extension: "ext.fake", module: None }];

/// A state directory, a world, a clock, and who lives.
pub struct Machine {
    folder: tempfile::TempDir,
    /// The backend.
    pub world: Arc<World>,
    /// The time.
    pub clock: Arc<HandClock>,
    alive: Arc<Alive>,
    ids: Arc<CountedIds>,
    catalog: Mutex<Vec<CatalogSource>>,
    opening_fault: Arc<Mutex<Option<Failure>>>,
    /// The secrets of its user.
    pub secrets: HeldSecrets,
}

/// One process: an engine that may die.
pub struct Process {
    /// Its engine.
    pub broker: Broker,
    id: ProcessId,
    points: Arc<CrashPoints>,
    alive: Arc<Alive>,
}

/// Ids in order, so that a failing sequence fails again in the same way.
#[derive(Default)]
struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn fresh(&self) -> Ulid {
        let next = self.0.fetch_add(1, Ordering::SeqCst);
        Ulid::from_parts(next, u128::from(next))
    }
}

struct OneExtension {
    extension: Arc<FakeExtension>,
    fault: Arc<Mutex<Option<Failure>>>,
}

#[async_trait]
impl Extensions for OneExtension {
    async fn open(&self, _extension: &CatalogExtension) -> Result<Arc<dyn SandboxExtension>, Failure> {
        match self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(fault) => Err(fault),
            None => Ok(self.extension.clone()),
        }
    }
}

impl Machine {
    /// A machine on which nothing has happened yet.
    pub fn new() -> io::Result<Self> {
        let world = Arc::<World>::default();
        Ok(Self {
            folder: tempfile::tempdir()?,
            world: world.clone(),
            clock: Arc::default(),
            alive: Arc::new(Alive::new(world)),
            ids: Arc::default(),
            catalog: Mutex::new(vec![CatalogSource::BuiltIn(CATALOG)]),
            opening_fault: Arc::default(),
            secrets: HeldSecrets::default(),
        })
    }

    /// Processes that start from now on read their manifests and profiles there.
    pub fn use_catalog(&self, sources: Vec<CatalogSource>) {
        *self.catalog.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }

    /// The manifests and profiles that are used unless told otherwise: file names and texts.
    pub const fn usual_catalog() -> &'static [(&'static str, &'static str)] {
        CATALOG
    }

    /// From now on the extension cannot be opened, or can again.
    pub fn fail_opening(&self, fault: Option<Failure>) {
        *self.opening_fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// From now on, what dead processes have started does not end, or does again.
    pub fn set_stubborn(&self, stubborn: bool) {
        self.alive.set_stubborn(stubborn);
    }

    /// The store's file.
    pub fn store_path(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    /// Starts a process that dies at the instant of this number; never when `None`.
    pub fn start(&self, fatal: Option<usize>) -> Result<Process, sandboxer_broker::store::StoreError> {
        let points = Arc::new(CrashPoints::new(fatal));
        let store = SqliteStore::open(&self.store_path(), self.clock.clone(), self.ids.as_ref())?;
        let id = ProcessId(format!("process-{}", self.ids.fresh()));
        self.alive.set().insert(id.clone());
        let extension = Arc::new(FakeExtension::new(self.world.clone(), points.clone(), id.clone()));
        let sources = self.catalog.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let parts = Parts {
            store: Arc::new(CrashingStore::new(store, points.clone())),
            catalog: Arc::new(Catalog::load(&sources, &TrustBook::default(), HANDLERS)),
            extensions: Arc::new(OneExtension { extension, fault: self.opening_fault.clone() }),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            process: id.clone(),
            liveness: self.alive.clone(),
            machines: Arc::new(FakeMachines::new(self.world.clone(), points.clone())),
            secrets: Arc::new(self.secrets.clone()),
            runner: Arc::new(FakeHost::new()),
            patience: Patience { backoff: Duration::from_millis(1), ..Patience::default() },
            home: None,
        };
        Ok(Process { broker: Broker::new(parts), id, points, alive: self.alive.clone() })
    }

    /// A request for what this machine can make.
    pub fn request(&self) -> SandboxCreateRequest {
        let words = ("profile.fake".parse(), "tests".parse());
        let (Ok(profile), Ok(consumer)) = words else { unreachable!("both are well-formed") };
        SandboxCreateRequest::new(profile, consumer)
    }

    /// Lets a process live, or end, that sandboxes are tethered to.
    pub fn set_tether(&self, pid: u32, lives: bool) -> Tether {
        let id = ProcessId(format!("tether-{pid}"));
        if lives {
            self.alive.set().insert(id)
        } else {
            self.alive.set().remove(&id)
        };
        Tether { pid, start_ticks: 0 }
    }
}

impl Process {
    /// How many instants it has passed at which it might have died.
    pub fn instants(&self) -> usize {
        self.points.passed()
    }

    /// Does `work` until its end or the process's death. Either way the process lives no longer.
    pub async fn run<T>(self, work: impl AsyncFnOnce(&Broker) -> T) -> Ended<T> {
        let ended = self.points.run(work(&self.broker)).await;
        self.alive.set().remove(&self.id);
        ended
    }
}
