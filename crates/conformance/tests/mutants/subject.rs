//! A backend for one test, the model over it, and runs of the suite over both.

use crate::model;
use crate::mutation::Mutation;
use rustix::process::{Pid, Signal, kill_process};
use sandboxer_conformance::{Doors, Ledger, NoDoors, Observer, Patience, Selection, Subject, Suite, Unobserved};
use sandboxer_sdk::host::Program;
use sandboxer_types::{ConformanceLevel, ConformanceReport, Lifecycle, Manifest, Outage, Profile, TestPlan};
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How often each check kills at random.
const KILLS: u32 = 12;

/// How long is waited: as long as a busy machine needs, and no longer.
const PATIENCE: Patience = Patience {
    answering: Duration::from_secs(4),
    vanishing: Duration::from_secs(1),
    late: Duration::from_millis(1500),
    expiring: Duration::from_secs(3),
};

/// The flag of a model whose sandboxes are entered through a machine.
pub(crate) const BEHIND_A_DOOR: &str = "--behind-a-door";

/// A backend of a test's own. When the test ends, nothing of it is left, whatever a mutant has left behind.
pub(crate) struct World {
    folder: TempDir,
    mutation: Option<Mutation>,
    /// Whether sandboxes are entered through a machine.
    pub(crate) behind_a_door: bool,
    /// Whether it does not own the machine that they are on.
    pub(crate) attached: bool,
    pub(crate) doors: Arc<dyn Doors>,
}

/// What is run.
pub(crate) struct Run {
    pub(crate) selection: Selection,
    pub(crate) seed: u64,
    pub(crate) kills: u32,
    pub(crate) cancel: CancellationToken,
    pub(crate) observer: Arc<dyn Observer>,
}

impl Run {
    /// These checks.
    pub(crate) fn of(checks: &[&str]) -> Self {
        let checks = checks.iter().map(|check| (*check).to_owned()).collect();
        Self::selected(Selection { level: ConformanceLevel::L4, checks })
    }

    /// All checks up to this level.
    pub(crate) fn up_to(level: ConformanceLevel) -> Self {
        Self::selected(Selection { level, checks: Vec::new() })
    }

    fn selected(selection: Selection) -> Self {
        Self { selection, seed: 1, kills: KILLS, cancel: CancellationToken::new(), observer: Arc::new(Unobserved) }
    }
}

/// A seed of a test's own: runs at the same time must not find each other's words.
pub(crate) fn seed_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl World {
    pub(crate) fn new(mutation: Option<Mutation>) -> Self {
        let attached = mutation == Some(Mutation::ForgetsTheMachineItIsOn);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        Self { folder, mutation, behind_a_door: false, attached, doors: Arc::new(NoDoors) }
    }

    /// Where the backend is.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::open(self.ledger_path()).unwrap()
    }

    pub(crate) fn ledger_path(&self) -> PathBuf {
        self.folder.path().join("ledger.json")
    }

    /// Everything that the backend has, and every process of its.
    pub(crate) fn remains(&self) -> Vec<String> {
        let names = |kind: &str| {
            let entries = std::fs::read_dir(self.root().join(kind)).into_iter().flatten().flatten();
            entries.map(|entry| entry.path().display().to_string()).collect::<Vec<_>>()
        };
        let processes = processes_below(&self.root()).into_iter().map(|pid| format!("process {pid}"));
        names("objects").into_iter().chain(names("snapshots")).chain(processes).collect()
    }

    /// The same backend, and another model over it.
    pub(crate) fn with(mut self, mutation: Option<Mutation>) -> Self {
        self.mutation = mutation;
        self
    }

    pub(crate) fn run(&self, run: Run) -> ConformanceReport {
        runtime().block_on(self.suite(run).run())
    }

    pub(crate) fn suite(&self, run: Run) -> Suite {
        let Run { selection, seed, kills, cancel, observer } = run;
        let suite = Suite::new(self.subject(), self.ledger());
        Suite { selection, seed, kills, cancel, observer, patience: PATIENCE, ..suite }
    }

    pub(crate) fn subject(&self) -> Subject {
        let manifest = self.manifest();
        let program = self.program(&manifest);
        let profile: Profile = serde_json::from_value(json!({
            "id": "profile.model", "extension": "ext.model", "ttl": {"default": "1h", "max": "24h"},
        }))
        .unwrap();
        Subject {
            manifest,
            manifest_faults: Vec::new(),
            program,
            profile,
            plan: self.plan(),
            folder: self.root(),
            ssh: None,
            secrets: BTreeMap::new(),
            doors: self.doors.clone(),
        }
    }

    fn manifest(&self) -> Manifest {
        let mut verbs = vec![
            "validate",
            "recover",
            "list",
            "status",
            "estimate_cost",
            "prices",
            "extend",
            "pause",
            "resume",
            "snapshot",
            "restore",
            "fork",
            "list_snapshots",
            "delete_snapshot",
            "connect",
        ];
        verbs.retain(|verb| match self.mutation {
            Some(Mutation::NobodyCanLookForIt) => !["recover", "list", "status"].contains(verb),
            _ => *verb != "connect" || !self.behind_a_door,
        });
        if self.mutation == Some(Mutation::DeclaresAVerbTwice) {
            verbs.push("list");
        }
        let mut features = vec!["labels", "native_ttl", "checkpoint", "idempotent"];
        features.extend(self.attached.then_some("attach"));
        serde_json::from_value(json!({
            "id": "ext.model",
            "title": "The model",
            "handler": "exec:model",
            "version": "1",
            "capabilities": {
                "isolation_levels": ["none"],
                "pricing_model": "metered",
                "verbs": verbs,
                "features": features,
                "snapshot": {"kinds": ["filesystem"]},
            },
            "concurrency": 4,
            "config": {"root": self.root(), "attach": self.attached},
            "inputs_schema": model::schema(),
            "secrets": {"account": {"required": true}, "deploy": {"verbs": ["provision"]}},
            "timeouts": {"provision": "60s", "wait_ready": "30s", "teardown": "30s"},
        }))
        .unwrap()
    }

    fn program(&self, manifest: &Manifest) -> Program {
        let flag = self.behind_a_door.then(|| BEHIND_A_DOOR.to_owned());
        let words = ["model".to_owned()].into_iter().chain(self.mutation.map(Mutation::name)).chain(flag);
        Program {
            extension: manifest.id.clone(),
            argv: [own_program()].into_iter().chain(words.map(OsString::from)).collect(),
            hint: None,
            folder: self.root(),
            environment: environment(),
            lifecycle: Lifecycle::Persistent,
            concurrency: 4,
            verbs: manifest.capabilities.verbs.iter().copied().collect(),
            groups: None,
        }
    }

    fn plan(&self) -> TestPlan {
        let root = self.root().to_string_lossy().into_owned();
        let own = own_program().to_string_lossy().into_owned();
        let down = self.root().join("down").to_string_lossy().into_owned();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let inventory = match self.mutation {
            Some(Mutation::NobodyCanLookForIt) => Vec::new(),
            _ => words(&[&own, "backend", "inventory", &root]),
        };
        TestPlan {
            inputs: [("note".to_owned(), json!("first"))].into_iter().collect(),
            other_inputs: Some([("note".to_owned(), json!("second"))].into_iter().collect()),
            inventory,
            outage: Some(Outage { begin: words(&["touch", &down]), end: words(&["rm", "-f", &down]) }),
            stop: words(&[&own, "backend", "stop", &root, "{id}"]),
            ..TestPlan::default()
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for pid in processes_below(&self.root()) {
            // Whoever ended meanwhile needs none.
            let _ended = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

/// What waits for the suite.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn own_program() -> OsString {
    std::env::current_exe().unwrap().into_os_string()
}

#[allow(clippy::disallowed_methods, reason = "the model gets what the tests have")]
fn environment() -> Vec<(OsString, OsString)> {
    let names = ["PATH", "HOME", "TMPDIR"].into_iter();
    names.filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect()
}

/// The processes that have something below this folder among their arguments or in their environment.
fn processes_below(root: &Path) -> Vec<i32> {
    let root = root.to_string_lossy();
    let names = |pid: &u32, file: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(root.as_ref())
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_of_it = |pid: &u32| *pid != std::process::id() && (names(pid, "cmdline") || names(pid, "environ"));
    pids.filter(is_of_it).filter_map(|pid| i32::try_from(pid).ok()).collect()
}
