//! Where the engine and the built-in extensions meet.

use crate::config::{Config, home};
use crate::error::{CommandResult, local_fault};
use crate::secrets::KeptSecrets;
use async_trait::async_trait;
use sandboxer_broker::catalog::{BuiltinHandler, Catalog, CatalogExtension, CatalogSource, ResolvedHandler, TrustBook};
use sandboxer_broker::state::ProcessId;
use sandboxer_broker::store::{SqliteStore, Store};
use sandboxer_broker::{Broker, Extensions, FileLocks, Parts, Patience, ProcessLock};
use sandboxer_extensions::local::{LocalExtension, LocalSettings};
use sandboxer_sdk::{Ids, SandboxExtension, SystemClock, SystemIds, SystemRunner};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::sync::Arc;

/// The manifests and profiles that are compiled in.
const BUILT_IN: &[(&str, &str)] = &[
    ("extensions/ext.local.yaml", include_str!("../../../extensions/ext.local.yaml")),
    ("profiles/profile.local.yaml", include_str!("../../../profiles/profile.local.yaml")),
    ("profiles/profile.local-net.yaml", include_str!("../../../profiles/profile.local-net.yaml")),
];

/// The handlers that are compiled in.
const HANDLERS: &[BuiltinHandler] = &[BuiltinHandler { name: "local", extension: "ext.local", module: None }];

/// An engine, and the lock under which this process works; only looking needs none.
pub(crate) struct Engine {
    pub(crate) broker: Broker,
    _lock: Option<ProcessLock>,
}

/// Reads the catalog of every source.
pub(crate) fn catalog(config: &Config) -> Catalog {
    let trust = TrustBook::load(&config.trust_book()).unwrap_or_else(|fault| {
        // Nothing is trusted then, and everything else goes on.
        tracing::warn!("{}", Failure::from(fault));
        TrustBook::default()
    });
    let mut sources = vec![
        CatalogSource::BuiltIn(BUILT_IN),
        CatalogSource::Config(config.config.clone()),
        CatalogSource::WorkingDirectory(config.working_directory.clone()),
    ];
    sources.extend(config.catalogs.iter().cloned().map(CatalogSource::Given));
    Catalog::load(&sources, &trust, HANDLERS)
}

/// Builds the engine over the state directory, making that first where it is missing.
pub(crate) fn engine(config: &Config, only_looks: bool) -> CommandResult<Engine> {
    config.prepare_state()?;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let process = ProcessId(ids.fresh().to_string().to_ascii_lowercase());
    let lock = if only_looks {
        None
    } else {
        let taken = ProcessLock::take(&config.processes(), process.clone());
        Some(taken.map_err(|error| local_fault("take a lock in the state directory", &error))?)
    };
    let (store, catalog) = std::thread::scope(|scope| {
        // Neither needs the other, and together they are a tenth of a short command.
        let catalog = scope.spawn(|| catalog(config));
        let store = SqliteStore::open(&config.store(), clock.clone(), ids.as_ref()).map_err(Failure::from);
        (store, catalog.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let store = store?;
    let local = LocalExtension::new(LocalSettings {
        root: config.local(),
        executable: "/proc/self/exe".into(),
        owner: store.owner().clone(),
    });
    let parts = Parts {
        store: Arc::new(store),
        catalog: Arc::new(catalog),
        extensions: Arc::new(BuiltIns { local: Arc::new(local) }),
        clock,
        ids,
        process,
        liveness: Arc::new(FileLocks::new(config.processes())),
        secrets: Arc::new(KeptSecrets::new(config.secrets())),
        runner: Arc::new(SystemRunner),
        patience: Patience::default(),
        home: home().ok(),
    };
    Ok(Engine { broker: Broker::new(parts), _lock: lock })
}

/// The extensions that are compiled in.
struct BuiltIns {
    local: Arc<LocalExtension>,
}

#[async_trait]
impl Extensions for BuiltIns {
    async fn open(&self, extension: &CatalogExtension) -> Result<Arc<dyn SandboxExtension>, Failure> {
        match &extension.resolved {
            ResolvedHandler::Builtin(name) if name == "local" => Ok(self.local.clone()),
            ResolvedHandler::Builtin(_) | ResolvedHandler::Exec(_) | ResolvedHandler::Python { .. } => {
                Err(Failure::new(ErrorKind::Unsupported, format!("`{}` cannot be run by this version", extension.id()))
                    .with_residue(Residue::None)
                    .with_hint(format!(
                        "its handler is `{}`; only built-in handlers can be run so far",
                        extension.manifest.handler
                    )))
            }
        }
    }
}
