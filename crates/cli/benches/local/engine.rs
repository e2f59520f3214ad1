//! The engine in this process, over a state directory of its own.

use crate::commands::binary;
use crate::peers::run;
use crate::sample::{ROUNDS, Sample, Table};
use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use sandboxer_broker::catalog::{BuiltinHandler, Catalog, CatalogExtension, CatalogSource, TrustBook};
use sandboxer_broker::state::ProcessId;
use sandboxer_broker::store::{SqliteStore, Store};
use sandboxer_broker::{Broker, Context, Control, Extensions, FileLocks, NoMachines, NoSecrets, Parts, Patience};
use sandboxer_extensions::local::{LocalExtension, LocalSettings};
use sandboxer_reach::ExecRequest;
use sandboxer_sdk::{SandboxExtension, SystemClock, SystemIds, SystemRunner};
use sandboxer_types::{Failure, SandboxCreateRequest, SandboxId};
use std::sync::Arc;
use std::time::Instant;

const CATALOG: &[(&str, &str)] = &[
    ("extensions/ext.local.yaml", include_str!("../../../../extensions/ext.local.yaml")),
    ("profiles/profile.local.yaml", include_str!("../../../../profiles/profile.local.yaml")),
];

const HANDLERS: &[BuiltinHandler] = &[BuiltinHandler { name: "local", extension: "ext.local", module: None }];

struct Local(Arc<LocalExtension>);

#[async_trait]
impl Extensions for Local {
    async fn open(&self, _extension: &CatalogExtension) -> Result<Arc<dyn SandboxExtension>, Failure> {
        Ok(self.0.clone())
    }
}

/// An engine over `folder`.
pub(crate) fn engine(folder: &std::path::Path) -> Broker {
    for name in ["local", "processes"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let store = SqliteStore::open(&folder.join("store.sqlite"), Arc::new(SystemClock), &SystemIds).unwrap();
    let local = LocalSettings { root: folder.join("local"), executable: binary().into(), owner: store.owner().clone() };
    Broker::new(Parts {
        store: Arc::new(store),
        catalog: Arc::new(Catalog::load(&[CatalogSource::BuiltIn(CATALOG)], &TrustBook::default(), HANDLERS)),
        extensions: Arc::new(Local(Arc::new(LocalExtension::new(local)))),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        process: ProcessId("bench".to_owned()),
        liveness: Arc::new(FileLocks::new(folder.join("processes"))),
        machines: Arc::new(NoMachines),
        secrets: Arc::new(NoSecrets),
        runner: Arc::new(SystemRunner::default()),
        patience: Patience::default(),
        home: None,
    })
}

/// Makes one local sandbox.
pub(crate) async fn create(broker: &Broker) -> SandboxId {
    let request = SandboxCreateRequest::new("profile.local".parse().unwrap(), "bench".parse().unwrap());
    broker.create(request, true, &Context::default()).await.unwrap().sandbox_id
}

/// Removes one, and insists that nothing is left.
pub(crate) async fn remove(broker: &Broker, id: &SandboxId) {
    let status = broker.remove(id, &Context::default()).await.unwrap();
    assert!(status.state.is_closed(), "{status:?}");
}

async fn exec_true(broker: &Broker, id: &SandboxId) -> Sample {
    let entrance = broker.enter(id).await.unwrap();
    let mut sample = Sample::empty();
    for round in 0..ROUNDS + 5 {
        let begin = Instant::now();
        let mut execution = entrance.session.exec(ExecRequest::new(["/bin/true"])).await.unwrap();
        assert!(execution.wait().await.unwrap().success());
        if round >= 5 {
            sample.add(begin.elapsed());
        }
    }
    sample
}

/// The same from outside, by a program that enters the namespaces of one that runs inside.
async fn nsenter(table: &mut Table, broker: &Broker, id: &SandboxId) {
    const ROW: &str = "nsenter into a local sandbox, `true`";
    let entrance = broker.enter(id).await.unwrap();
    // No other process has these arguments.
    let mark = format!("{}.25", 100_000 + std::process::id());
    let execution = entrance.session.exec(ExecRequest::new(["/bin/sleep", &mark])).await.unwrap();
    let target = format!("--target={}", process_with(&mark));
    let argv = ["nsenter", &target, "--all", "/bin/true"];
    if run(&argv) {
        table.times(ROW, &Sample::of(ROUNDS, || assert!(run(&argv), "{ROW} failed")), "-");
    } else {
        table.figures(ROW, "does not run here: it needs root", "-");
    }
    execution.input().signal(9).await.unwrap();
}

/// The number that a process inside has outside.
fn process_with(argument: &str) -> String {
    let is_it = |command: &str| command.split('\0').nth(1) == Some(argument);
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let found = processes
        .map(|entry| entry.path())
        .find(|path| std::fs::read_to_string(path.join("cmdline")).is_ok_and(|command| is_it(&command)));
    found.unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

async fn burst(broker: &Broker) -> (f64, Vec<SandboxId>) {
    let begin = Instant::now();
    let ids = stream::iter(0..100).map(|_| create(broker)).buffer_unordered(4).collect().await;
    (begin.elapsed().as_secs_f64(), ids)
}

/// Measures what a daemon would do: no process start, one open store.
pub(crate) fn measure(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let broker = engine(folder.path());
        let (mut making, mut removing) = (Sample::empty(), Sample::empty());
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let id = create(&broker).await;
            making.add(begin.elapsed());
            let begin = Instant::now();
            remove(&broker, &id).await;
            removing.add(begin.elapsed());
        }
        table.times("create → ready, in process, store durable", &making, "≤ 5");
        table.times("teardown, in process, store durable", &removing, "≤ 2");
        let id = create(&broker).await;
        table.times(
            "exec of `true`, open connection",
            &exec_true(&broker, &id).await,
            "≤ 1.2, p99 ≤ 3, ≤ 2 × a host spawn",
        );
        nsenter(table, &broker, &id).await;
        remove(&broker, &id).await;
        let (seconds, ids) = burst(&broker).await;
        assert_eq!(ids.len(), 100);
        table.figures("100 creates, 4 at a time", &format!("{seconds:.2} s"), "≤ 0.8 s, no failure");
        for id in &ids {
            remove(&broker, id).await;
        }
    });
}
