//! What this backend accepts. Whatever a profile asks for is either done or refused by name, never ignored.

use super::repository::Source;
use sandboxer_sdk::Provision;
use sandboxer_types::{ErrorKind, ExposeMode, Failure, Network, Object, Profile, Residue};
use serde_json::Value;
use std::path::{Component, Path, PathBuf};

/// Where the repository is put, and where commands run unless the profile says otherwise.
pub(crate) const WORKSPACE: &str = "/workspace";

/// What is to be made, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Folders of the host that can be read inside.
    pub(crate) expose: Vec<PathBuf>,
    /// Whether the sandbox shares the host's network.
    pub(crate) host_network: bool,
    /// Where its commands run.
    pub(crate) workdir: PathBuf,
    /// What the workspace is filled with.
    pub(crate) source: Option<Source>,
}

/// Checks a request, without a side effect. `root` is the folder of all sandboxes, which nobody may look into.
pub(crate) fn admit(request: &Provision, root: &Path) -> Result<Plan, Failure> {
    check_inputs(&request.inputs)?;
    check_profile(&request.profile)?;
    let host_network = match &request.profile.network {
        Network::None => false,
        Network::Host => true,
        Network::Allow(_) => {
            return Err(unsupported(
                "network",
                "`network: {allow: …}` cannot be enforced here yet",
                "use `network: none` or `network: host`",
            ));
        }
    };
    let workdir = PathBuf::from(request.profile.workdir.as_deref().unwrap_or(WORKSPACE));
    if !workdir.is_absolute() {
        return Err(wrong("workdir", "must be an absolute path"));
    }
    let expose = request.profile.expose.iter().map(|expose| check_expose(expose, root)).collect::<Result<_, _>>()?;
    Ok(Plan { expose, host_network, workdir, source: Source::of(&request.inputs)? })
}

fn wrong(field: &str, message: &str) -> Failure {
    Failure::invalid_input(format!("`{field}` {message}")).with_field(field, message)
}

fn unsupported(field: &str, message: &str, hint: &str) -> Failure {
    Failure::new(ErrorKind::Unsupported, message).with_residue(Residue::None).with_field(field, message).with_hint(hint)
}

fn check_inputs(inputs: &Object) -> Result<(), Failure> {
    for (name, value) in inputs {
        match (name.as_str(), value) {
            ("base", Value::String(base)) if base == "host" => {}
            ("base", Value::String(_)) => {
                return Err(unsupported(
                    "inputs.base",
                    "only the base `host` can be used here yet",
                    "leave `base` out, or set it to `host`",
                ));
            }
            ("repo" | "ref", Value::String(_) | Value::Null) => {}
            ("base" | "repo" | "ref", _) => return Err(wrong(&format!("inputs.{name}"), "must be a text")),
            (other, _) => return Err(wrong(&format!("inputs.{other}"), "is no input of `ext.local`")),
        }
    }
    Ok(())
}

fn check_profile(profile: &Profile) -> Result<(), Failure> {
    if profile.resources.disk.is_some() {
        return Err(unsupported(
            "resources.disk",
            "`resources.disk` cannot be enforced here yet",
            "leave `disk` out of the profile's resources",
        ));
    }
    if !profile.caches.is_empty() {
        return Err(unsupported("caches", "`caches` are not kept here yet", "leave `caches` out of the profile"));
    }
    if !profile.secrets.is_empty() {
        return Err(unsupported("secrets", "`secrets` are not passed in here yet", "leave `secrets` out"));
    }
    if let Some((name, _)) = profile.options.iter().next() {
        let field = format!("options.{name}");
        return Err(unsupported(&field, &format!("`{field}` is no option of `ext.local`"), "leave it out"));
    }
    match profile.resources.cpus {
        Some(cpus) if !(cpus.is_finite() && cpus >= 0.01) => Err(wrong("resources.cpus", "must be at least 0.01")),
        _ if profile.resources.pids == Some(0) => Err(wrong("resources.pids", "must be at least 1")),
        _ => Ok(()),
    }
}

/// What the sandbox's own programs and devices are: nothing of the host can be put at, above or below these.
const FIXED: [&str; 9] = ["/proc", "/dev", "/sys", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64"];
/// Folders of the sandbox's own that must stay writable: nothing of the host can be put at or above these.
const WRITABLE: [&str; 7] = ["/tmp", "/run", "/var/tmp", "/workspace", "/home/user", "/root", "/dev/shm"];

fn check_expose(expose: &sandboxer_types::Expose, root: &Path) -> Result<PathBuf, Failure> {
    if expose.mode == ExposeMode::Overlay {
        return Err(unsupported(
            "expose",
            "`expose` with `mode: overlay` is not possible here yet",
            "use `mode: ro`, or copy the folder in",
        ));
    }
    let path = PathBuf::from(&expose.path);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain || path.parent().is_none() {
        return Err(wrong("expose", "needs absolute paths without `.`, `..` and `~`, below `/`"));
    }
    let touches = |other: &Path| path.starts_with(other) || other.starts_with(&path);
    let fixed = FIXED.iter().any(|own| touches(Path::new(own)));
    if fixed || WRITABLE.iter().any(|own| Path::new(own).starts_with(&path)) {
        return Err(wrong("expose", &format!("cannot cover {}, which is the sandbox's own", path.display())));
    }
    if touches(root) {
        return Err(wrong("expose", &format!("cannot show {}, where the sandboxes are", path.display())));
    }
    Ok(path)
}
