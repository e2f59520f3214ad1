//! Which machine is meant, and how it is reached. Pure.

use super::failure::wrong;
use sandboxer_reach::Route;
use sandboxer_types::{Failure, Object, Profile, SshDestination};
use serde_json::Value;

/// The folder of workspaces where nobody names one.
const WORKSPACES: &str = "~/sandboxer";
/// The same where every sandbox has a user of its own: a home is often closed to others.
const SHARED_WORKSPACES: &str = "/var/lib/sandboxer";
const LONGEST_PATH: usize = 1024;

/// A machine that workspaces are put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// As a person called it.
    pub(super) name: String,
    pub(super) route: Route,
    /// The folder of workspaces there; `~` stands for the home.
    pub(super) workspaces: String,
    /// Whether every sandbox there gets a user of its own.
    pub(super) separate_users: bool,
}

/// What `config.vms` says of a machine.
#[derive(Debug, Default)]
struct Known {
    ssh: Option<SshDestination>,
    workspace_dir: Option<String>,
    tunnel_port: Option<u16>,
    separate_users: bool,
}

impl Target {
    /// The machine that the inputs name. `host` is where ssh finds the placement host; `None` is this machine.
    pub(super) fn of(
        inputs: &Object,
        options: &Object,
        config: &Object,
        host: Option<&SshDestination>,
    ) -> Result<Self, Failure> {
        let (name, mut known) = named(inputs, config)?;
        let ssh_port = port(inputs, "ssh_port")?;
        let tunnel_port = port(inputs, "tunnel_port")?;
        if ssh_port.is_some() && tunnel_port.is_some() {
            let message = "says where the machine's ssh server is, and so does `ssh_port`: give one of them";
            return Err(
                wrong("inputs.tunnel_port", message).with_field("inputs.ssh_port", "is given beside `tunnel_port`")
            );
        }
        if ssh_port.is_some() {
            known.tunnel_port = None;
        }
        let ssh = known.ssh.take().map_or_else(|| alias(&name), Ok)?;
        let route = match tunnel_port.or(known.tunnel_port) {
            Some(port) => Route::Ssh { destination: at(ssh.user(), "127.0.0.1", Some(port))?, jump: host.cloned() },
            None => Route::Ssh { destination: with_port(&ssh, ssh_port)?, jump: None },
        };
        let separate_users = flag(options, "options.separate_users", "separate_users")?.unwrap_or(known.separate_users);
        let default = if separate_users { SHARED_WORKSPACES } else { WORKSPACES };
        let workspaces = match text(inputs, "inputs.workspace_dir", "workspace_dir")?.or(known.workspace_dir) {
            Some(folder) => folder_of_workspaces(&folder)?,
            None => default.to_owned(),
        };
        Ok(Self { name, route, workspaces, separate_users })
    }

    /// Every machine that the manifest's config names.
    pub(super) fn all(config: &Object, host: Option<&SshDestination>) -> Result<Vec<Self>, Failure> {
        let Some(vms) = config.get("vms") else { return Ok(Vec::new()) };
        let vms = vms.as_object().ok_or_else(|| wrong("config.vms", "is no map of names to machines"))?;
        let one = |name: &String| {
            let inputs = Object::from_iter([("vm".to_owned(), Value::from(name.as_str()))]);
            Self::of(&inputs, &Object::new(), config, host)
        };
        vms.keys().map(one).collect()
    }

    /// What the handle keeps of it.
    pub(super) fn destination(&self) -> (String, Option<String>) {
        match &self.route {
            Route::Here => (String::new(), None),
            Route::Ssh { destination, jump } => (destination.to_string(), jump.as_ref().map(ToString::to_string)),
        }
    }
}

/// The inputs without a profile's default that the caller's own choice replaces: `ssh_target` instead of `vm`, or the other way
/// round, and the same with the two ports.
pub(super) fn settled(inputs: &Object, profile: &Profile) -> Object {
    let mut inputs = inputs.clone();
    for (one, other) in [("vm", "ssh_target"), ("tunnel_port", "ssh_port")] {
        let is_default =
            |name: &str| inputs.get(name).is_some() && inputs.get(name) == profile.inputs.defaults.get(name);
        match (inputs.contains_key(one) && inputs.contains_key(other), is_default(one), is_default(other)) {
            (true, true, false) => drop(inputs.remove(one)),
            (true, false, true) => drop(inputs.remove(other)),
            _ => {}
        }
    }
    inputs
}

fn named(inputs: &Object, config: &Object) -> Result<(String, Known), Failure> {
    let (vm, ssh_target) = (text(inputs, "inputs.vm", "vm")?, text(inputs, "inputs.ssh_target", "ssh_target")?);
    match (vm, ssh_target) {
        (Some(_), Some(_)) => {
            let message = "names a machine, and so does `ssh_target`: give one of them";
            Err(wrong("inputs.vm", message).with_field("inputs.ssh_target", "is given beside `vm`"))
        }
        (None, None) => Err(wrong("inputs.vm", "is missing: which machine?")
            .with_hint("give `vm`, a name in the manifest's `config.vms` or of your ssh config, or `ssh_target`, as `user@host:port`")),
        (None, Some(target)) => {
            let ssh = destination("inputs.ssh_target", &target)?;
            Ok((target, Known { ssh: Some(ssh), ..Known::default() }))
        }
        (Some(vm), None) => {
            let known = config.get("vms").and_then(|vms| vms.get(&vm));
            let known = known.map(|known| read(&vm, known)).transpose()?.unwrap_or_default();
            Ok((vm, known))
        }
    }
}

fn read(vm: &str, known: &Value) -> Result<Known, Failure> {
    let place = format!("config.vms.{vm}");
    let known = match known {
        Value::String(ssh) => return Ok(Known { ssh: Some(destination(&place, ssh)?), ..Known::default() }),
        Value::Object(known) => known,
        _ => return Err(wrong(&place, "is neither a destination of ssh nor a map")),
    };
    let names = ["ssh", "workspace_dir", "tunnel_port", "separate_users"];
    if let Some(name) = known.keys().find(|name| !names.contains(&name.as_str())) {
        return Err(wrong(&format!("{place}.{}", name.escape_debug()), "is not known"));
    }
    let field = |name: &str| format!("{place}.{name}");
    let ssh = text(known, &field("ssh"), "ssh")?.map(|ssh| destination(&field("ssh"), &ssh)).transpose()?;
    Ok(Known {
        ssh,
        workspace_dir: text(known, &field("workspace_dir"), "workspace_dir")?,
        tunnel_port: number(known, &field("tunnel_port"), "tunnel_port")?,
        separate_users: flag(known, &field("separate_users"), "separate_users")?.unwrap_or(false),
    })
}

fn destination(field: &str, text: &str) -> Result<SshDestination, Failure> {
    text.parse().map_err(|fault: sandboxer_types::SshDestinationFault| {
        wrong(field, &format!("cannot be used: {fault}")).with_hint(SshDestination::FORMS)
    })
}

/// A name that nobody has described is one of the user's ssh config.
fn alias(name: &str) -> Result<SshDestination, Failure> {
    let plain = !name.contains(['@', ':', '/', '[']);
    let parsed = name.parse::<SshDestination>().ok().filter(|_| plain);
    parsed.ok_or_else(|| {
        wrong("inputs.vm", "is neither in the manifest's `config.vms` nor a name that ssh could know")
            .with_hint("a destination such as `user@host:port` is an `ssh_target`")
    })
}

fn with_port(ssh: &SshDestination, port: Option<u16>) -> Result<SshDestination, Failure> {
    match (ssh.port(), port) {
        (_, None) => Ok(ssh.clone()),
        (Some(known), Some(port)) if known != port => {
            Err(wrong("inputs.ssh_port", "is another port than the target's"))
        }
        (_, port) => at(ssh.user(), ssh.host(), port),
    }
}

fn at(user: Option<&str>, host: &str, port: Option<u16>) -> Result<SshDestination, Failure> {
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    destination("inputs.vm", &format!("{user}{host}{port}"))
}

fn folder_of_workspaces(folder: &str) -> Result<String, Failure> {
    let field = "inputs.workspace_dir";
    let below = folder.strip_prefix("~/").or_else(|| folder.strip_prefix('/'));
    let Some(below) = below.filter(|_| folder.len() <= LONGEST_PATH) else {
        return Err(wrong(field, "is neither an absolute path nor one that begins with `~/`"));
    };
    let below = below.trim_end_matches('/');
    if below.is_empty() || below.chars().any(char::is_control) {
        return Err(wrong(field, "is no path of a folder for workspaces"));
    }
    if below.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(wrong(field, "has an empty part, `.` or `..` in it"));
    }
    Ok(folder.trim_end_matches('/').to_owned())
}

fn text(object: &Object, field: &str, name: &str) -> Result<Option<String>, Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(wrong(field, "is no text, or an empty one")),
    }
}

fn port(inputs: &Object, name: &str) -> Result<Option<u16>, Failure> {
    number(inputs, &format!("inputs.{name}"), name)
}

fn number(object: &Object, field: &str, name: &str) -> Result<Option<u16>, Failure> {
    let Some(value) = object.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let port = value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    port.map(Some).ok_or_else(|| wrong(field, "is no port: a number from 1 to 65535"))
}

fn flag(object: &Object, field: &str, name: &str) -> Result<Option<bool>, Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(wrong(field, "is neither `true` nor `false`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        match value {
            Value::Object(object) => object,
            _ => Object::new(),
        }
    }

    fn of(inputs: Value) -> Result<Target, Failure> {
        let config = json!({"vms": {
            "haskell-build": "build@vm.example.org",
            "tunnelled": {"ssh": "build@vm", "tunnel_port": 2222, "workspace_dir": "/srv/w", "separate_users": true},
            "plain": {},
            "broken": {"shh": "x"},
            "wrong": {"ssh": "-oProxyCommand=x"},
        }});
        let host = "admin@host:2200".parse().ok();
        Target::of(&object(inputs), &Object::new(), &object(config), host.as_ref())
    }

    fn route(inputs: Value) -> String {
        of(inputs).expect("a target").route.to_string()
    }

    #[test]
    fn a_machine_is_found_by_its_name_its_alias_or_its_destination() {
        assert_eq!(route(json!({"vm": "haskell-build"})), "build@vm.example.org");
        assert_eq!(route(json!({"vm": "plain"})), "plain");
        assert_eq!(route(json!({"vm": "an-alias", "ssh_port": 2022})), "an-alias:2022");
        assert_eq!(route(json!({"ssh_target": "me@[2001:db8::1]", "ssh_port": 2022})), "me@[2001:db8::1]:2022");
        assert_eq!(
            route(json!({"vm": "haskell-build", "tunnel_port": 2222})),
            "build@127.0.0.1:2222 through admin@host:2200"
        );
        assert_eq!(route(json!({"vm": "tunnelled"})), "build@127.0.0.1:2222 through admin@host:2200");
        assert_eq!(route(json!({"vm": "tunnelled", "ssh_port": 22})), "build@vm:22");
        let target = of(json!({"vm": "tunnelled"})).expect("a target");
        assert_eq!((target.workspaces.as_str(), target.separate_users), ("/srv/w", true));
        assert_eq!(of(json!({"vm": "plain"})).expect("a target").workspaces, "~/sandboxer");
        assert_eq!(of(json!({"vm": "plain", "workspace_dir": "~/w/"})).expect("a target").workspaces, "~/w");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_before_anything_is_done() {
        for (inputs, field) in [
            (json!({}), "inputs.vm"),
            (json!({"vm": ""}), "inputs.vm"),
            (json!({"vm": 7}), "inputs.vm"),
            (json!({"vm": "a", "ssh_target": "b"}), "inputs.vm"),
            (json!({"vm": "a", "ssh_port": 1, "tunnel_port": 2}), "inputs.tunnel_port"),
            (json!({"vm": "a", "ssh_port": 0}), "inputs.ssh_port"),
            (json!({"vm": "a", "tunnel_port": 65536}), "inputs.tunnel_port"),
            (json!({"vm": "a", "tunnel_port": "22"}), "inputs.tunnel_port"),
            (json!({"ssh_target": "host:22", "ssh_port": 23}), "inputs.ssh_port"),
            (json!({"vm": "user@host"}), "inputs.vm"),
            (json!({"vm": "broken"}), "config.vms.broken.shh"),
            (json!({"vm": "wrong"}), "config.vms.wrong.ssh"),
            (json!({"vm": "a", "workspace_dir": "w"}), "inputs.workspace_dir"),
            (json!({"vm": "a", "workspace_dir": "/"}), "inputs.workspace_dir"),
            (json!({"vm": "a", "workspace_dir": "~/../x"}), "inputs.workspace_dir"),
            (json!({"vm": "a", "workspace_dir": "/a\nb"}), "inputs.workspace_dir"),
        ] {
            let failure = of(inputs.clone()).expect_err(&inputs.to_string());
            assert_eq!(failure.fields.first().map(|fault| fault.field.as_str()), Some(field), "{inputs}");
            assert!(!failure.residue.may_exist(), "{inputs}");
        }
        for hostile in ["-oProxyCommand=id", "a b", "$(id)", "a;b", "a'b", "a\nb", "..", "~", "a%h", "`id`", "-x"] {
            of(json!({"vm": hostile})).expect_err(hostile);
            of(json!({"ssh_target": hostile})).expect_err(hostile);
            of(json!({"ssh_target": format!("{hostile}@host")})).expect_err(hostile);
        }
    }

    #[test]
    fn the_callers_choice_replaces_the_profiles() {
        let mut profile: Profile = serde_json::from_value(json!({"id": "profile.x"})).expect("a profile");
        profile.inputs.defaults = object(json!({"vm": "a", "tunnel_port": 1}));
        let given = |inputs| Value::Object(settled(&object(inputs), &profile));
        assert_eq!(
            given(json!({"vm": "a", "ssh_target": "b", "tunnel_port": 1})),
            json!({"ssh_target": "b", "tunnel_port": 1})
        );
        assert_eq!(given(json!({"vm": "a", "tunnel_port": 1, "ssh_port": 2})), json!({"vm": "a", "ssh_port": 2}));
        assert_eq!(given(json!({"vm": "c", "ssh_target": "b"})), json!({"vm": "c", "ssh_target": "b"}));
    }
}
