//! What is asked for, checked before anything is done.

use super::failure::{unsupported, wrong};
use super::mark::digest;
use super::target::{Target, settled};
use crate::source::Source;
use sandboxer_sdk::{Call, Provision};
use sandboxer_types::{ErrorKind, Failure, IsolationLevel, Network, Object, Profile, Residue};

/// A request that can be tried.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) target: Target,
    pub(super) source: Option<Source>,
    pub(super) inputs: Object,
    pub(super) digest: String,
}

const INPUTS: [&str; 7] = ["vm", "ssh_target", "repo", "ref", "tunnel_port", "ssh_port", "workspace_dir"];

/// Checks a request.
pub(super) fn admit(call: &Call, request: &Provision) -> Result<Wanted, Failure> {
    if let Some(name) = request.inputs.keys().find(|name| !INPUTS.contains(&name.as_str())) {
        return Err(wrong(&format!("inputs.{}", name.escape_debug()), "is no input of `ext.vm-packer`"));
    }
    let inputs = settled(&request.inputs, &request.profile);
    let target = target(call, &inputs, &request.profile)?;
    let source = Source::of(&inputs)?;
    check_profile(&request.profile, target.separate_users)?;
    let digest = digest(&inputs, target.separate_users);
    Ok(Wanted { target, source, inputs, digest })
}

/// The machine of a sandbox that was asked for like that.
pub(super) fn target(call: &Call, inputs: &Object, profile: &Profile) -> Result<Target, Failure> {
    Target::of(&settled(inputs, profile), &profile.options, &call.config, call.ssh.as_ref())
}

/// What keeps neighbours apart, as a level.
pub(super) fn isolation(separate_users: bool) -> IsolationLevel {
    if separate_users { IsolationLevel::Process } else { IsolationLevel::None }
}

fn check_profile(profile: &Profile, separate_users: bool) -> Result<(), Failure> {
    let level = isolation(separate_users);
    if let Some(minimum) = profile.isolation.as_ref().filter(|minimum| !level.satisfies(minimum)) {
        let message = format!("sandboxes on one machine are kept apart by `{level}`, which is less than `{minimum}`");
        let failure = Failure::new(ErrorKind::Precondition, message)
            .with_residue(Residue::None)
            .with_field("isolation", "is more than there is between neighbours");
        return Err(failure.with_hint(if separate_users {
            "ask for `isolation: process`, or for another extension"
        } else {
            "`options: {separate_users: true}` in the profile gives `process`: a user for each sandbox"
        }));
    }
    if let Some(name) = profile.options.keys().find(|name| *name != "separate_users") {
        return Err(wrong(&format!("options.{}", name.escape_debug()), "is not known"));
    }
    if !profile.expose.is_empty() {
        return Err(unsupported("expose", "`expose` is for sandboxes on this machine", "put it on the machine itself"));
    }
    if !profile.caches.is_empty() {
        return Err(unsupported("caches", "`caches` are not kept here", "leave `caches` out of the profile"));
    }
    Ok(())
}

/// What the profile asks for and nobody enforces on a machine of somebody's own.
pub(super) fn unenforced(profile: &Profile) -> Vec<String> {
    let resources = &profile.resources;
    let limits = [
        ("cpus", resources.cpus.is_some()),
        ("memory", resources.memory.is_some()),
        ("pids", resources.pids.is_some()),
        ("disk", resources.disk.is_some()),
    ];
    let limits = limits.into_iter().filter(|(_, asked)| *asked);
    let limits = limits.map(|(name, _)| format!("{name}: the machine's own limits hold, and no other"));
    let network =
        (profile.network != Network::Host).then(|| "network: sandboxes reach whatever the machine does".to_owned());
    limits.chain(network).collect()
}
