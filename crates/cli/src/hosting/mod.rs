//! Running extensions: those that are compiled in, and those that are programs.

mod package;
mod virtual_environment;

use crate::config::{Config, extension_environment};
use async_trait::async_trait;
use sandboxer_broker::Extensions;
use sandboxer_broker::catalog::{CatalogExtension, ResolvedHandler};
use sandboxer_sdk::host::{HostLimits, HostedExtension, Program, Trace};
use sandboxer_sdk::{Call, GroupList, SandboxExtension, SystemRunner};
use sandboxer_types::{ErrorKind, ExtensionId, Failure, OwnerId, Residue, SandboxId};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a Python extension has to say which verbs it has. The first start may compile it.
const DESCRIBING: Duration = Duration::from_secs(60);

/// The extensions that are compiled in, by the names of their handlers.
pub(crate) type BuiltIns = BTreeMap<&'static str, Arc<dyn SandboxExtension>>;

/// Opens extensions, and ends what it has started for them.
pub(crate) struct Hosting {
    built_in: BuiltIns,
    owner: OwnerId,
    /// Where started processes note their groups; a command that only looks starts none.
    groups: Option<GroupList>,
    /// Makes virtual environments.
    runner: SystemRunner,
    /// Where the Python package is unpacked and virtual environments are made.
    python: PathBuf,
    opened: Mutex<BTreeMap<ExtensionId, Arc<HostedExtension>>>,
}

impl Hosting {
    pub(crate) fn new(
        config: &Config,
        built_in: BuiltIns,
        owner: OwnerId,
        groups: Option<GroupList>,
        runner: SystemRunner,
    ) -> Self {
        let python = config.python();
        Self { built_in, owner, groups, runner, python, opened: Mutex::default() }
    }

    /// Ends every process that was started, and waits until nothing of it lives.
    pub(crate) async fn stop(&self) {
        let opened = std::mem::take(&mut *self.opened.lock().await);
        futures::future::join_all(opened.values().map(|extension| extension.stop())).await;
    }

    /// The extension as one that is spoken to through the codec, whatever it is, with someone who sees what travels.
    pub(crate) async fn open_traced(
        &self,
        extension: &CatalogExtension,
        trace: Arc<dyn Trace>,
    ) -> Result<HostedExtension, Failure> {
        match &extension.resolved {
            ResolvedHandler::Builtin(name) => {
                let built_in = self.built_in(name, extension)?;
                Ok(HostedExtension::in_process(extension.id().clone(), built_in, HostLimits::default(), Some(trace)))
            }
            ResolvedHandler::Exec(_) | ResolvedHandler::Python { .. } => {
                let program = self.program(extension).await?;
                Ok(HostedExtension::traced(program, HostLimits::default(), Some(trace)))
            }
        }
    }

    fn built_in(&self, name: &str, extension: &CatalogExtension) -> Result<Arc<dyn SandboxExtension>, Failure> {
        match self.built_in.get(name) {
            Some(built_in) => Ok(built_in.clone()),
            None => {
                Err(Failure::new(ErrorKind::Unsupported, format!("`{}` cannot be run by this version", extension.id()))
                    .with_residue(Residue::None))
            }
        }
    }

    /// The program that the extension is; what is compiled in is none.
    pub(crate) async fn program(&self, extension: &CatalogExtension) -> Result<Program, Failure> {
        let manifest = &extension.manifest;
        let folder = extension.origin.folder.clone().unwrap_or_else(|| self.python.clone());
        let argv = match &extension.resolved {
            ResolvedHandler::Exec(path) => vec![path.clone().into_os_string()],
            ResolvedHandler::Python { module, class, .. } => {
                let package = package::unpack(&self.python)?;
                let interpreter =
                    virtual_environment::interpreter(&self.python, extension, &folder, &self.runner).await?;
                let class = format!("{module}:{class}");
                // What is compiled does not go into the manifest's folder: trust in that ends with any change of it.
                let mut bytecode = OsString::from("pycache_prefix=");
                bytecode.push(self.python.join("bytecode"));
                let [option, folder_option] = ["-X", "--folder"].map(OsString::from);
                let options = [interpreter, option.clone(), "utf8".into(), option, bytecode];
                let arguments = [package.into(), class.into(), folder_option, folder.clone().into()];
                options.into_iter().chain(arguments).collect()
            }
            ResolvedHandler::Builtin(name) => {
                return Err(Failure::new(ErrorKind::Internal, format!("the built-in `{name}` is no program")));
            }
        };
        let passed = manifest.env.iter().flat_map(|env| &env.pass);
        Ok(Program {
            extension: extension.id().clone(),
            argv,
            hint: Some(hint(&extension.resolved).to_owned()),
            folder,
            environment: extension_environment(passed),
            lifecycle: manifest.lifecycle,
            concurrency: manifest.concurrency.unwrap_or(1),
            verbs: manifest.capabilities.verbs.iter().copied().collect(),
            groups: self.groups.clone(),
        })
    }

    async fn open_program(&self, extension: &CatalogExtension) -> Result<Arc<dyn SandboxExtension>, Failure> {
        let mut opened = self.opened.lock().await;
        if let Some(hosted) = opened.get(extension.id()) {
            return Ok(hosted.clone());
        }
        let mut hosted = HostedExtension::new(self.program(extension).await?, HostLimits::default());
        if matches!(extension.resolved, ResolvedHandler::Python { .. }) {
            // A class declares a verb by overriding it.
            let mut call = Call::detached(SandboxId::from_ulid(ulid::Ulid::nil()), self.owner.clone());
            call.deadline = Instant::now() + DESCRIBING;
            hosted.learn_verbs(&call).await.map_err(|failure| failure.with_residue(Residue::None))?;
        }
        let hosted = Arc::new(hosted);
        opened.insert(extension.id().clone(), hosted.clone());
        Ok(hosted)
    }
}

/// What to do when a program cannot be started.
fn hint(handler: &ResolvedHandler) -> &'static str {
    match handler {
        ResolvedHandler::Python { .. } => {
            "install Python 3.9 or newer, or name an interpreter in the manifest: `python: {interpreter: …}`"
        }
        ResolvedHandler::Exec(_) | ResolvedHandler::Builtin(_) => {
            "its first line must name an interpreter that is there, and end in a line feed alone"
        }
    }
}

#[async_trait]
impl Extensions for Hosting {
    async fn open(&self, extension: &CatalogExtension) -> Result<Arc<dyn SandboxExtension>, Failure> {
        match &extension.resolved {
            ResolvedHandler::Builtin(name) => self.built_in(name, extension),
            ResolvedHandler::Exec(_) | ResolvedHandler::Python { .. } => self.open_program(extension).await,
        }
    }
}
