//! What else can be asked of a sandbox, and which machine it is on.

use super::admission::target;
use super::failure::{precondition, with_something_left};
use super::names::{Names, lease};
use super::provision;
use super::survey::{Standing, marks};
use super::target::Target;
use super::vm::{LIST, Vm};
use crate::machine::{Machines, lease_span};
use sandboxer_reach::Route;
use sandboxer_sdk::{Call, Listed, ObservedState, Recovered, StatusReport};
use sandboxer_types::{Failure, Handle, HostId, Residue, SandboxId, SshDestination, TimeSpan};
use std::collections::BTreeSet;

/// The machine of a sandbox: as its handle has it, else as it was asked for.
pub(super) fn target_of(call: &Call, handle: Option<&Handle>) -> Result<Target, Failure> {
    if let Some(target) = handle.and_then(|handle| kept(handle, &call.sandbox_id)) {
        return Ok(target);
    }
    match &call.intent {
        Some(intent) => target(call, &intent.inputs, &intent.profile),
        None => Err(precondition("nothing says on which machine the sandbox is")
            .with_hint("name its machine in the manifest's `config.vms`, or remove it there by hand")),
    }
}

/// The machine that a handle keeps.
fn kept(handle: &Handle, id: &SandboxId) -> Option<Target> {
    let destination = handle.text("vm_target")?.parse::<SshDestination>().ok()?;
    let jump = match handle.text("jump") {
        Some(jump) => Some(jump.parse().ok()?),
        None => None,
    };
    let workspaces = handle.text("workspace")?.strip_suffix(id.as_str())?.strip_suffix('/')?;
    Some(Target {
        name: handle.text("vm").unwrap_or_default().to_owned(),
        route: Route::Ssh { destination, jump },
        workspaces: workspaces.to_owned(),
        separate_users: handle.get("separate_users")?.as_bool()?,
    })
}

pub(super) async fn recover(machines: &dyn Machines, call: &Call, host: &HostId) -> Result<Recovered, Failure> {
    let target = target_of(call, None).map_err(with_something_left)?;
    let vm = Vm::open(machines, call, &target).await.map_err(unknown)?;
    let place = vm.look(&target, &call.sandbox_id).await.map_err(unknown)?;
    match (&place.survey.standing, &place.survey.account) {
        (Standing::Own(_), _) => Ok(Recovered::Present(provision::handle(&call.sandbox_id, host, &target, &place))),
        // An attempt that made its user and then lost its folder.
        (_, Some(comment)) if *comment == place.names.label() => Ok(Recovered::InProgress),
        _ => Ok(Recovered::Absent),
    }
}

pub(super) async fn list(machines: &dyn Machines, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for target in Target::all(&call.config, call.ssh.as_ref())? {
        let vm = Vm::open(machines, call, &target).await?;
        let answer = vm.script(LIST, &[], &[&target.workspaces], Vec::new(), "list the workspaces").await?;
        for (folder, mark) in marks(&answer)? {
            let is_new = seen.insert((target.route.to_string(), folder));
            if is_new && mark.owner == call.owner && mark.is_on(host) {
                found.push(Listed {
                    sandbox_id: mark.id,
                    host: host.clone(),
                    labels: mark.about.labels,
                    created_at: mark.about.created_at,
                });
            }
        }
    }
    Ok(found)
}

pub(super) async fn status(machines: &dyn Machines, call: &Call, handle: &Handle) -> Result<StatusReport, Failure> {
    let target = target_of(call, Some(handle))?;
    let vm = Vm::open(machines, call, &target).await?;
    let place = vm.look(&target, &call.sandbox_id).await?;
    let (state, detail) = match (&place.survey.standing, place.survey.filled) {
        (Standing::Own(_), true) => (ObservedState::Running, separation(&place.names, &target)),
        (Standing::Own(_), false) => (ObservedState::Busy, "its workspace is being filled, or never was".to_owned()),
        (Standing::Nothing, _) => (ObservedState::Absent, format!("{} is not there", place.names.folder())),
        (Standing::Others(_) | Standing::Foreign, _) => {
            (ObservedState::Error, format!("{} is somebody else's by now", place.names.folder()))
        }
    };
    Ok(StatusReport { state, detail })
}

/// What keeps the sandbox apart from its neighbours, in words.
fn separation(names: &Names, target: &Target) -> String {
    let (folder, machine) = (names.workspace(), &target.route);
    match names.account() {
        Some(account) => format!(
            "{folder} on {machine}, as the user {account} of its own; isolation from neighbours on that machine: process"
        ),
        None => format!(
            "{folder} on {machine}; a directory keeps it apart from neighbours, who run as the same user; isolation: none"
        ),
    }
}

/// Has the machine wait longer before it ends the sandbox by itself.
pub(super) async fn extend(
    machines: &dyn Machines,
    call: &Call,
    handle: &Handle,
    ttl: TimeSpan,
) -> Result<(), Failure> {
    let target = target_of(call, Some(handle))?;
    let vm = Vm::open(machines, call, &target).await?;
    let place = vm.look(&target, &call.sandbox_id).await?;
    if place.mark().is_none() {
        let message = format!("{} is not there", place.names.folder());
        return Err(Failure::new(sandboxer_types::ErrorKind::NotFound, message).with_residue(Residue::None));
    }
    let agent = vm.machine.agent_path().await?;
    let expire = place.names.end(&agent, place.prefix());
    let span = lease_span(ttl.as_duration());
    vm.machine.place_lease(lease(call).as_str(), span, &expire).await
}

fn unknown(failure: Failure) -> Failure {
    failure.with_residue(Residue::Unknown)
}
