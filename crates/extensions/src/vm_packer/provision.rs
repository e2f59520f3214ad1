//! Makes a sandbox's workspace: first its end, then its folder, then what is in it.

use super::admission::{Wanted, admit};
use super::failure::{explain, precondition, with_something_left};
use super::mark::{About, Mark};
use super::names::lease;
use super::survey::Standing;
use super::vm::{ACCOUNT, CLAIM, FINISH, PREPARE, Place, SHORT, Vm};
use crate::git;
use crate::machine::{Machines, lease_span};
use crate::source::Source;
use sandboxer_sdk::{Call, Clock, CommandLine, Provision};
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Residue, SandboxId};
use std::path::Path;
use std::time::Duration;

/// How long a clone may take.
const CLONE: Duration = Duration::from_secs(3600);

/// See the trait.
pub(super) async fn provision(
    machines: &dyn Machines,
    clock: &dyn Clock,
    call: &Call,
    request: &Provision,
) -> Result<Handle, Failure> {
    let wanted = admit(call, request)?;
    call.progress("connect", format!("opening {}", wanted.target.route));
    let nothing_done = |failure: Failure| failure.with_residue(Residue::None);
    let vm = Vm::open(machines, call, &wanted.target).await.map_err(nothing_done)?;
    let id = &request.sandbox_id;
    let place = vm.look(&wanted.target, id).await.map_err(nothing_done)?;
    let made = admit_place(&place, &wanted)?;
    if !(made && place.survey.filled) {
        make(&vm, clock, request, &wanted, place, made).await.map_err(with_something_left)?;
    }
    let place = vm.look(&wanted.target, id).await.map_err(with_something_left)?;
    Ok(handle(id, &request.host, &wanted.target, &place))
}

/// What later calls need.
pub(super) fn handle(id: &SandboxId, host: &HostId, target: &super::target::Target, place: &Place) -> Handle {
    let (destination, jump) = target.destination();
    let mut handle = Handle::minimal(id, host)
        .with("vm", target.name.as_str())
        .with("vm_target", destination)
        .with("workspace", place.names.folder())
        .with("remote_dir", place.names.workspace())
        .with("separate_users", place.names.separate_users);
    if let Some(jump) = jump {
        handle = handle.with("jump", jump);
    }
    match place.names.account() {
        Some(account) => handle.with("user", account),
        None => handle,
    }
}

/// Whether the sandbox's folder is there already. Nothing was done by this call yet.
fn admit_place(place: &Place, wanted: &Wanted) -> Result<bool, Failure> {
    let folder = place.names.folder();
    let conflict = |message: String, residue| Failure::new(ErrorKind::Conflict, message).with_residue(residue);
    match &place.survey.standing {
        Standing::Own(mark) if mark.about.digest == wanted.digest => return Ok(true),
        Standing::Own(_) => {
            return Err(conflict(format!("{folder} is there, made with other inputs"), Residue::Present));
        }
        Standing::Others(_) => {
            let message = format!("{folder} is there, of a sandbox that another state directory made");
            return Err(conflict(message, Residue::None).with_hint("choose another id, or another `workspace_dir`"));
        }
        Standing::Foreign => {
            let message = format!("{folder} is there, and is no workspace of ours");
            return Err(conflict(message, Residue::None).with_hint("choose another id, or another `workspace_dir`"));
        }
        Standing::Nothing => {}
    }
    if wanted.target.separate_users && place.survey.root.is_none() {
        return Err(precondition(
            "a user for each sandbox can only be made by root, and the login may not become root",
        )
        .with_residue(Residue::None)
        .with_hint("log in as root, allow `sudo` without a password, or leave `separate_users` out"));
    }
    let label = place.names.label();
    if place.survey.account.as_ref().is_some_and(|comment| *comment != label) {
        let account = place.names.account().unwrap_or_default();
        return Err(conflict(format!("the account {account} is there, and is no sandbox's"), Residue::None));
    }
    Ok(false)
}

async fn make(
    vm: &Vm<'_>,
    clock: &dyn Clock,
    request: &Provision,
    wanted: &Wanted,
    place: Place,
    made: bool,
) -> Result<(), Failure> {
    let agent = hold(vm, request, &place).await?;
    if !made {
        claim(vm, clock, request, wanted, &place).await?;
    }
    if let Some(account) = place.names.account() {
        let parameters = [account.as_str(), &place.names.label(), &place.names.workspace()];
        vm.script(ACCOUNT, place.prefix(), &parameters, Vec::new(), "make the sandbox's user").await?;
    }
    let (folder, user) = (place.names.folder(), place.survey.user.to_string());
    vm.script(PREPARE, place.prefix(), &[&folder, &user], Vec::new(), "make the workspace").await?;
    fill(vm, wanted, &place.names.workspace()).await?;
    let account = place.names.account().unwrap_or_default();
    let parameters = [folder.as_str(), &account, agent.as_deref().unwrap_or_default()];
    vm.script(FINISH, place.prefix(), &parameters, Vec::new(), "hand the workspace over").await?;
    check_entry(vm, &place).await
}

/// Has the machine end the sandbox by itself should nobody else. Gives where our agent is there.
async fn hold(vm: &Vm<'_>, request: &Provision, place: &Place) -> Result<Option<String>, Failure> {
    let agent = match vm.machine.agent_path().await {
        Ok(agent) => agent,
        Err(failure) if failure.kind == ErrorKind::Unsupported => {
            vm.call.warn(format!("nobody on the machine ends the sandbox without us: {failure}"));
            return Ok(None);
        }
        Err(failure) => return Err(failure),
    };
    let expire = place.names.end(&agent, place.prefix());
    let span = lease_span(request.ttl.as_duration());
    vm.machine.place_lease(lease(vm.call).as_str(), span, &expire).await?;
    Ok(Some(agent))
}

async fn claim(
    vm: &Vm<'_>,
    clock: &dyn Clock,
    request: &Provision,
    wanted: &Wanted,
    place: &Place,
) -> Result<(), Failure> {
    let about = About {
        digest: wanted.digest.clone(),
        host: request.host.to_string(),
        created_at: Some(clock.now()),
        labels: vm.call.labels.clone(),
    };
    let mark = Mark { owner: vm.call.owner.clone(), id: request.sandbox_id.clone(), about }.write();
    // A user of the sandbox's own must get through to the workspace, and sees nothing else of it.
    let (mode, above) = if place.names.separate_users { ("711", "022") } else { ("700", "077") };
    let names = &place.names;
    let parameters = [names.base.as_str(), names.id.as_str(), &names.unfinished(), mode, above];
    let answer =
        vm.script(CLAIM, place.prefix(), &parameters, mark.into_bytes(), "make the workspace's folder").await?;
    match answer.as_slice() {
        b"made\n" => Ok(()),
        b"stands\n" => Err(Failure::new(ErrorKind::Conflict, format!("{} was made meanwhile", names.folder()))
            .with_residue(Residue::Unknown)),
        _ => Err(super::failure::garbled("the workspace")),
    }
}

async fn fill(vm: &Vm<'_>, wanted: &Wanted, workspace: &str) -> Result<(), Failure> {
    match &wanted.source {
        None => Ok(()),
        Some(Source::Directory(folder)) => send(vm, folder, workspace).await,
        Some(Source::Url { url, reference }) => {
            vm.call.progress("clone", format!("cloning {} there", git::without_password(url)));
            git(vm, &git::clone(url, workspace), url).await?;
            match reference {
                Some(reference) => git(vm, &git::checkout(url, workspace, reference), url).await,
                None => Ok(()),
            }
        }
    }
}

async fn send(vm: &Vm<'_>, folder: &Path, workspace: &str) -> Result<(), Failure> {
    vm.call.progress("sync", format!("sending {}", folder.display()));
    let report = tokio::select! {
        report = vm.machine.sync(folder, workspace) => report.map_err(|failure| match failure.kind {
            ErrorKind::InvalidInput => failure.with_field("inputs.repo", "cannot be read"),
            _ => failure,
        })?,
        end = vm.call.ended() => return Err(end.failure()),
    };
    for warning in &report.warnings {
        vm.call.warn(warning.clone());
    }
    vm.call.progress("sync", format!("sent {} entries, {} bytes", report.sent, report.bytes));
    Ok(())
}

async fn git(vm: &Vm<'_>, command: &CommandLine, url: &str) -> Result<(), Failure> {
    let output = vm.run(command, CLONE).await?;
    match output.status {
        0 => Ok(()),
        127 => Err(precondition("git is missing on the machine")
            .with_hint("install git there, or give a local folder as `repo`")),
        137 | 143 => Err(Failure::new(ErrorKind::Deadline, "the clone took too long")),
        _ => Err(git::explain(&output, url)),
    }
}

/// Whether who is to work there gets there.
async fn check_entry(vm: &Vm<'_>, place: &Place) -> Result<(), Failure> {
    let workspace = place.names.workspace();
    let enter = super::ready::enter(place).unwrap_or_default();
    let words =
        enter.into_iter().chain(["/bin/sh", "-c", "cd \"$1\" && [ -w . ]", "sh", &workspace].map(str::to_owned));
    let output = vm.run(&CommandLine::new(words), SHORT).await?;
    if output.success() {
        return Ok(());
    }
    let failure = explain(&output, &format!("enter {workspace} as the sandbox's user"));
    Err(failure.with_hint("the folders above `workspace_dir` must let other users through: choose another"))
}
