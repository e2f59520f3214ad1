//! From an extension of the catalog to the subject of the suite.

use super::doors::HostDoors;
use super::plan::Plan;
use crate::commands::request::{input_object, profile_id};
use crate::config::{Config, login_environment, secret_variables};
use crate::error::CommandResult;
use crate::hosting::Hosting;
use crate::hosts::is_alias;
use crate::machines::{ReachedMachines, ways};
use crate::secrets::KeptSecrets;
use sandboxer_broker::catalog::{Catalog, CatalogExtension, Miss, ResolvedHandler};
use sandboxer_broker::{Secret, Secrets};
use sandboxer_conformance::Subject;
use sandboxer_sdk::host::Program;
use sandboxer_sdk::{GroupList, Ids, SystemIds, SystemRunner};
use sandboxer_types::source::Fault;
use sandboxer_types::{
    ExtensionId, Failure, HostId, Lifecycle, Manifest, OwnerId, Profile, ProfileId, SshDestination, TtlPolicy,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

/// How many calls a built-in takes at once.
const CALLS_AT_ONCE: u32 = 8;

/// What of a subject was said on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) profile: Option<String>,
    pub(crate) inputs: Vec<(String, String)>,
    pub(crate) host: Option<HostId>,
}

/// The subject that `extension` is, whose processes are noted in `groups`.
pub(crate) async fn subject(
    config: &Config,
    catalog: &Catalog,
    extension: &CatalogExtension,
    plan: Plan,
    request: &Request,
    groups: &GroupList,
) -> CommandResult<Subject> {
    let Plan { mut plan, folder, .. } = plan;
    plan.inputs.extend(input_object(request.inputs.clone(), None, &config.working_directory)?);
    plan.host = request.host.clone().or(plan.host);
    let profile = match (&request.profile, &plan.profile) {
        (Some(given), _) => profile_of(catalog, &profile_id(given)?, extension.id())?,
        (None, Some(of_plan)) => profile_of(catalog, of_plan, extension.id())?,
        (None, None) => bare_profile(&extension.manifest)?,
    };
    Ok(Subject {
        manifest: extension.manifest.clone(),
        manifest_faults: manifest_faults(catalog, extension.id()),
        program: program(config, extension, groups).await?,
        profile,
        ssh: destination(config, catalog, plan.host.as_ref()).await?,
        plan,
        folder,
        secrets: secrets(config, &extension.manifest)?,
        doors: Arc::new(HostDoors(ReachedMachines::new(ways(config), config))),
    })
}

fn profile_of(catalog: &Catalog, id: &ProfileId, extension: &ExtensionId) -> CommandResult<Profile> {
    let found = catalog.profile(id).map_err(Failure::from)?;
    if found.extensions.contains(extension) {
        return Ok(found.profile.clone());
    }
    let makers = found.extensions.iter().map(|maker| format!("`{maker}`")).collect::<Vec<_>>().join(", ");
    Err(Failure::invalid_input(format!("the profile `{id}` is made by {makers}, not by `{extension}`")).into())
}

fn bare_profile(manifest: &Manifest) -> CommandResult<Profile> {
    let value = json!({"id": "profile.conformance", "extension": manifest.id, "ttl": TtlPolicy::default()});
    serde_json::from_value(value).map_err(|error| Failure::invalid_input(error.to_string()).into())
}

/// What the catalog finds wrong with the manifest, its schemas and its examples.
fn manifest_faults(catalog: &Catalog, extension: &ExtensionId) -> Vec<String> {
    let file = format!("{extension}.yaml");
    catalog.check().iter().filter(|fault| fault.file.ends_with(&file)).map(Fault::headline).collect()
}

async fn program(config: &Config, extension: &CatalogExtension, groups: &GroupList) -> CommandResult<Program> {
    if matches!(extension.resolved, ResolvedHandler::Builtin(_)) {
        return Ok(built_in(config, extension, groups));
    }
    let runner = SystemRunner::listed(groups.clone()).without(secret_variables());
    let owner = OwnerId::from_ulid(SystemIds.fresh());
    let hosting = Hosting::new(config, BTreeMap::new(), owner, Some(groups.clone()), runner);
    Ok(hosting.program(extension).await?)
}

/// This program once more, as `ext serve`.
fn built_in(config: &Config, extension: &CatalogExtension, groups: &GroupList) -> Program {
    let mut argv: Vec<OsString> = vec!["/proc/self/exe".into(), "--state-dir".into(), config.state.clone().into()];
    for catalog in &config.catalogs {
        argv.extend(["--catalog".into(), catalog.clone().into()]);
    }
    argv.extend(["ext", "serve", extension.id().as_str()].map(OsString::from));
    let mut environment = login_environment();
    if let Some(ssh_config) = config.ssh_config.as_ref().and_then(|path| path.to_str()) {
        environment.insert("SANDBOXER_SSH_CONFIG".to_owned(), ssh_config.to_owned());
    }
    Program {
        extension: extension.id().clone(),
        argv,
        hint: None,
        folder: config.working_directory.clone(),
        environment: environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        lifecycle: Lifecycle::Persistent,
        concurrency: CALLS_AT_ONCE,
        verbs: extension.manifest.capabilities.verbs.iter().copied().collect(),
        groups: Some(groups.clone()),
    }
}

/// Where ssh finds the host, as the engine does; `None` for this machine.
async fn destination(
    config: &Config,
    catalog: &Catalog,
    host: Option<&HostId>,
) -> CommandResult<Option<SshDestination>> {
    let Some(host) = host.filter(|host| !host.is_localhost()) else { return Ok(None) };
    match catalog.host(host) {
        Ok(known) => Ok(known.host.destination()),
        Err(Miss::Unknown { .. }) if is_alias(host, config.ssh_config.as_deref()).await => {
            Ok(Some(SshDestination::alias(host)))
        }
        Err(miss) => Err(Failure::from(miss).into()),
    }
}

/// The secrets that the person has given to it. The suite makes up those that are missing.
fn secrets(config: &Config, manifest: &Manifest) -> CommandResult<BTreeMap<String, String>> {
    let kept = KeptSecrets::new(config.secrets());
    let mut found = BTreeMap::new();
    for name in manifest.secrets.keys() {
        if let Secret::Found(secret) = kept.find(&manifest.id, name)? {
            found.insert(name.clone(), secret);
        }
    }
    Ok(found)
}
