//! Where the engine and the built-in extensions meet.

use crate::config::{Config, home, login_environment, secret_variables};
use crate::error::{CommandResult, local_fault};
use crate::hosting::{BuiltIns, Hosting};
use crate::machines::{ReachedMachines, ways};
use crate::packages::installed::Packages;
use crate::packages::name::PackageName;
use crate::secrets::KeptSecrets;
use sandboxer_broker::catalog::{BuiltinHandler, Catalog, CatalogSource, TrustBook};
use sandboxer_broker::state::ProcessId;
use sandboxer_broker::store::{SqliteStore, Store};
use sandboxer_broker::{Broker, FileLocks, Parts, Patience, ProcessLock};
use sandboxer_extensions::compose_ssh::ComposeSshExtension;
use sandboxer_extensions::local::{LocalExtension, LocalSettings};
use sandboxer_extensions::vm_packer::VmPackerExtension;
use sandboxer_sdk::{GroupList, Ids, SandboxExtension, SystemClock, SystemIds, SystemRunner};
use sandboxer_types::{Failure, OwnerId};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// The manifests and profiles that are compiled in.
const BUILT_IN: &[(&str, &str)] = &[
    ("extensions/ext.compose-ssh.yaml", include_str!("../../../extensions/ext.compose-ssh.yaml")),
    ("extensions/ext.local.yaml", include_str!("../../../extensions/ext.local.yaml")),
    ("extensions/ext.vm-packer.yaml", include_str!("../../../extensions/ext.vm-packer.yaml")),
    ("profiles/profile.compose.yaml", include_str!("../../../profiles/profile.compose.yaml")),
    ("profiles/profile.local.yaml", include_str!("../../../profiles/profile.local.yaml")),
    ("profiles/profile.local-net.yaml", include_str!("../../../profiles/profile.local-net.yaml")),
    ("profiles/profile.vm-haskell-build.yaml", include_str!("../../../profiles/profile.vm-haskell-build.yaml")),
];

/// The handlers that are compiled in.
const HANDLERS: &[BuiltinHandler] = &[
    BuiltinHandler { name: "local", extension: "ext.local", module: None },
    BuiltinHandler {
        name: "compose-ssh",
        extension: "ext.compose-ssh",
        module: Some("sandboxer.extensions.compose_ssh"),
    },
    BuiltinHandler { name: "vm-packer", extension: "ext.vm-packer", module: Some("sandboxer.extensions.vm_packer") },
];

/// An engine, and the lock under which this process works; only looking needs none.
pub(crate) struct Engine {
    pub(crate) broker: Broker,
    pub(crate) hosting: Arc<Hosting>,
    _lock: Option<ProcessLock>,
}

/// Reads the catalog of every source.
pub(crate) fn catalog(config: &Config) -> Catalog {
    let trust = TrustBook::load(&config.trust_book()).unwrap_or_else(|fault| {
        // Nothing is trusted then, and everything else goes on.
        tracing::warn!("{}", Failure::from(fault));
        TrustBook::default()
    });
    // What somebody else made and a user added comes before what the user wrote, which is there to change it.
    let mut sources = vec![CatalogSource::BuiltIn(BUILT_IN)];
    sources.extend(Packages::of(config).sources(None));
    sources.push(CatalogSource::Config(config.config.clone()));
    sources.push(CatalogSource::WorkingDirectory(config.working_directory.clone()));
    sources.extend(config.catalogs.iter().cloned().map(CatalogSource::Given));
    Catalog::load(&sources, &trust, HANDLERS)
}

/// The catalog as it would be everywhere with what is in `folder` in the place of the package `name`, and above all else.
pub(crate) fn catalog_over(config: &Config, folder: &Path, name: &PackageName) -> Catalog {
    let trust = TrustBook::load(&config.trust_book()).unwrap_or_default();
    let mut sources = vec![CatalogSource::BuiltIn(BUILT_IN)];
    sources.extend(Packages::of(config).sources(Some(name)));
    sources.push(CatalogSource::Config(config.config.clone()));
    sources.push(CatalogSource::Given(folder.to_owned()));
    Catalog::load(&sources, &trust, HANDLERS)
}

/// What is compiled in, as it was, whatever files put over it.
pub(crate) fn built_in_catalog() -> Catalog {
    Catalog::load(&[CatalogSource::BuiltIn(BUILT_IN)], &TrustBook::default(), HANDLERS)
}

/// Builds the engine over the state directory, making that first where it is missing.
pub(crate) fn engine(config: &Config, only_looks: bool) -> CommandResult<Engine> {
    config.prepare_state()?;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let (lock, groups) =
        if only_looks { (None, None) } else { lock(config).map(|(lock, groups)| (Some(lock), Some(groups)))? };
    let process = lock.as_ref().map_or_else(fresh_process, |lock| lock.id().clone());
    let (store, catalog) = std::thread::scope(|scope| {
        // Neither needs the other, and together they are a tenth of a short command.
        let catalog = scope.spawn(|| catalog(config));
        let store = SqliteStore::open(&config.store(), clock.clone(), ids.as_ref()).map_err(Failure::from);
        (store, catalog.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let store = store?;
    let machines = ways(config);
    let runner = groups.clone().map(SystemRunner::listed).unwrap_or_default().without(secret_variables());
    let reached = worked_on(machines.clone());
    let built_in: BuiltIns = BTreeMap::from([
        ("local", Arc::new(local(config, store.owner().clone())) as Arc<dyn SandboxExtension>),
        ("compose-ssh", Arc::new(ComposeSshExtension::new(reached.clone()))),
        ("vm-packer", Arc::new(VmPackerExtension::new(reached))),
    ]);
    let hosting = Arc::new(Hosting::new(config, built_in, store.owner().clone(), groups, runner.clone()));
    let parts = Parts {
        store: Arc::new(store),
        catalog: Arc::new(catalog),
        extensions: hosting.clone(),
        clock,
        ids,
        process,
        liveness: Arc::new(FileLocks::new(config.processes())),
        machines: Arc::new(ReachedMachines::new(machines, config)),
        secrets: Arc::new(KeptSecrets::new(config.secrets())),
        runner: Arc::new(runner),
        patience: Patience::default(),
        home: home().ok(),
    };
    Ok(Engine { broker: Broker::new(parts), hosting, _lock: lock })
}

/// The lock of this process in the state directory, which is there, and the list in it of what this process starts.
pub(crate) fn lock(config: &Config) -> CommandResult<(ProcessLock, GroupList)> {
    let process = fresh_process();
    let lock = ProcessLock::take(&config.processes(), process.clone())
        .map_err(|error| local_fault("take a lock in the state directory", &error))?;
    let file = lock.groups().map_err(|error| local_fault("use the lock in the state directory", &error))?;
    Ok((lock, GroupList::new(process.0, file.into())))
}

fn fresh_process() -> ProcessId {
    ProcessId(SystemIds.fresh().to_string().to_ascii_lowercase())
}

fn local(config: &Config, owner: OwnerId) -> LocalExtension {
    LocalExtension::new(LocalSettings { root: config.local(), executable: "/proc/self/exe".into(), owner })
}

/// Machines, as extensions work on them.
fn worked_on(ways: Arc<sandboxer_reach::Machines>) -> Arc<sandboxer_extensions::machine::ReachedMachines> {
    Arc::new(sandboxer_extensions::machine::ReachedMachines::new(ways, login_environment()))
}

/// Serves a built-in over the standard streams until whoever started this ends them; `None` for a name that none has.
pub(crate) fn serve_built_in(config: &Config, name: &str) -> Option<ExitCode> {
    match name {
        // The owner is only for folders that do not say theirs; here nobody knows whose they are.
        "local" => Some(sandboxer_sdk::serve(local(config, OwnerId::from_ulid(ulid::Ulid::nil())))),
        "compose-ssh" => Some(sandboxer_sdk::serve(ComposeSshExtension::new(worked_on(ways(config))))),
        "vm-packer" => Some(sandboxer_sdk::serve(VmPackerExtension::new(worked_on(ways(config))))),
        _ => None,
    }
}
