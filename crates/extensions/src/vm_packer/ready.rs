//! How a sandbox is reached.

use super::admission::{isolation, unenforced};
use super::survey::{Become, Standing};
use super::verbs::target_of;
use super::vm::{Place, Vm};
use crate::machine::Machines;
use sandboxer_sdk::Call;
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Object, Reachability, Residue};
use serde_json::Value;

/// What a command of a user of the sandbox's own finds in its search path.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// See the trait.
pub(super) async fn wait(machines: &dyn Machines, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
    let present = |failure: Failure| failure.with_residue(Residue::Present);
    let target = target_of(call, Some(handle)).map_err(present)?;
    let vm = Vm::open(machines, call, &target).await.map_err(present)?;
    let place = vm.look(&target, &call.sandbox_id).await.map_err(present)?;
    let folder = place.names.folder();
    match (&place.survey.standing, place.survey.filled) {
        (Standing::Own(_), true) => {}
        (Standing::Own(_), false) => return Err(not_ready(format!("{folder} was never filled"))),
        (Standing::Nothing, _) => return Err(not_ready(format!("{folder} is not there"))),
        (Standing::Others(_) | Standing::Foreign, _) => return Err(not_ready(format!("{folder} is somebody else's"))),
    }
    let agent = match vm.machine.agent_path().await {
        Ok(agent) => Some(agent),
        Err(failure) if failure.kind == ErrorKind::Unsupported => None,
        Err(failure) => return Err(present(failure)),
    };
    let (ssh, jump) = target.destination();
    let separate = place.names.separate_users;
    let inside = agent.is_some() && separate;
    Ok(Reachability {
        ssh: Some(ssh),
        jump,
        remote_dir: Some(place.names.workspace()),
        host: handle.text("host").and_then(|host| host.parse::<HostId>().ok()),
        enter: enter(&place),
        workdir: Some(place.names.workspace()),
        agent_path: inside.then(|| format!("{folder}/agent")),
        expire: agent.map(|agent| place.names.end(&agent, place.prefix())),
        isolation: Some(isolation(separate)),
        limits_unenforced: call.intent.as_ref().map(|intent| unenforced(&intent.profile)).unwrap_or_default(),
        other: Object::from_iter([
            ("vm".to_owned(), Value::from(target.name.as_str())),
            ("separation".to_owned(), Value::from(if separate { "user" } else { "directory" })),
        ]),
        ..Reachability::default()
    })
}

fn not_ready(message: String) -> Failure {
    Failure::new(ErrorKind::NotReady, message).with_residue(Residue::Present)
}

/// The words that make a command the sandbox's user's, where it has one: in an environment that has nothing of the login's.
pub(super) fn enter(place: &Place) -> Option<Vec<String>> {
    let account = place.names.account()?;
    let become_user: &[&str] = match place.survey.become_user {
        Become::Runuser => &["runuser", "-u", &account, "--"],
        Become::Sudo => &["sudo", "-n", "-u", &account, "--"],
        // Its own shell is handed what follows as words.
        Become::Su => &["su", "-s", "/bin/sh", "-c", "exec \"$0\" \"$@\"", "--", &account],
    };
    let home = format!("HOME={}", place.names.workspace());
    let (user, login) = (format!("USER={account}"), format!("LOGNAME={account}"));
    let environment = ["env", "-i", &home, &user, &login, "SHELL=/bin/sh", "LANG=C.UTF-8", PATH];
    Some(become_user.iter().chain(&environment).map(|word| (*word).to_owned()).collect())
}
