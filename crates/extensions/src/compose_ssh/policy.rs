//! What a compose file may ask for. Pure: it reads the normalised file, and the paths in it are judged once the machine
//! has said what they really are.
//!
//! Keys are let through by name. One that is not known here is refused, since nobody can say what it will mean.

use super::allowance::{Allowance, Word};
use super::document::{is_nothing, joined, list, mapping, text};
use super::inputs::{is_service, is_variable};
use super::known::{
    DOCKERFILES, HARMLESS, HARMLESS_IN_BUILDS, HARMLESS_IN_RESOURCES, LOGGING_DRIVERS, LOGGING_OPTIONS,
};
use super::mounting;
use super::normalise::is_address;
use sandboxer_types::{ErrorKind, Failure, Object};
use serde_json::Value;
use std::collections::BTreeSet;

/// Something that the file asks for and must not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `services.web.privileged`.
    pub(super) at: String,
    /// What it says there, shortened.
    pub(super) value: String,
    /// What would allow it.
    pub(super) word: Word,
}

/// A path of the machine in the file, to be judged by what it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) at: String,
    pub(super) path: String,
    pub(super) what: Mentioned,
}

/// What a path is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mentioned {
    /// It is mounted into containers, which may change it or not.
    Mount {
        /// Whether it is read-only.
        read_only: bool,
    },
    /// It is mounted, read-only, into containers that get it as a secret or a config.
    Handed,
    /// The compose tool reads it.
    Read,
}

/// Goes through a normalised file: what is refused as it stands, and what paths are mentioned.
pub(super) fn examine(document: &Object) -> (Vec<Refusal>, Vec<Mention>) {
    let mut examiner = Examiner { built: built(document), ..Examiner::default() };
    for (key, value) in document {
        match key.as_str() {
            "services" | "networks" | "volumes" | "secrets" | "configs" => {}
            _ => examiner.refuse(key.clone(), value, Word::OtherKeys),
        }
    }
    for (name, service) in mapping(document, "services") {
        if let Some(service) = service.as_object() {
            examiner.service(&format!("services.{name}"), service);
        }
    }
    for kind in ["networks", "volumes", "secrets", "configs"] {
        for (name, resource) in mapping(document, kind) {
            if let Some(resource) = resource.as_object() {
                examiner.resource(kind, &format!("{kind}.{name}"), resource);
            }
        }
    }
    (examiner.refusals, examiner.mentions)
}

#[derive(Default)]
struct Examiner {
    /// Images that the stack builds, which get names of this sandbox's own.
    built: BTreeSet<String>,
    refusals: Vec<Refusal>,
    mentions: Vec<Mention>,
}

impl Examiner {
    fn refuse(&mut self, at: String, value: &Value, word: Word) {
        let mut value: String = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let Some((end, _)) = value.char_indices().nth(80) {
            value.truncate(end);
            value.push('…');
        }
        self.refusals.push(Refusal { at, value: value.escape_debug().to_string(), word });
    }

    fn mention(&mut self, at: String, path: &str, what: Mentioned) {
        self.mentions.push(Mention { at, path: path.to_owned(), what });
    }

    fn service(&mut self, at: &str, service: &Object) {
        for (key, value) in service.iter().filter(|(_, value)| !is_nothing(Some(value))) {
            let here = format!("{at}.{key}");
            match key.as_str() {
                "privileged" => self.refuse(here, value, Word::Privileged),
                "devices" | "device_cgroup_rules" | "gpus" => self.refuse(here, value, Word::Devices),
                "cap_add" => self.refuse(here, value, Word::Capabilities),
                "pid" | "ipc" | "userns_mode" | "uts" | "cgroup" => self.namespace(here, value),
                "network_mode" => self.network(here, value),
                "cgroup_parent" => self.refuse(here, value, Word::HostNamespaces),
                "use_api_socket" => self.refuse(here, value, Word::DockerSocket),
                "security_opt" => self.security(&here, value),
                "external_links" => self.refuse(here, value, Word::External),
                "volumes_from" => self.volumes_from(&here, service),
                "volumes" => self.volumes(&here, service),
                "secrets" | "configs" => self.handed(&here, value),
                "env_file" => self.read_files(&here, service, "env_file"),
                "label_file" | "credential_spec" => self.refuse(here, value, Word::Files),
                "image" => self.image(here, value),
                "logging" => self.logging(here, value),
                "oom_score_adj" if value.as_i64().is_some_and(|score| score >= 0) => {}
                "post_start" | "pre_stop" => self.hooks(here, value),
                "deploy" => self.deploy(here, value),
                "build" => self.build(&here, value),
                known if HARMLESS.contains(&known) => {}
                _ => self.refuse(here, value, Word::OtherKeys),
            }
        }
    }

    fn namespace(&mut self, at: String, value: &Value) {
        match value.as_str().unwrap_or("host") {
            "private" | "shareable" | "none" => {}
            word if word.starts_with("service:") => {}
            word if word.starts_with("container:") => self.refuse(at, value, Word::External),
            _ => self.refuse(at, value, Word::HostNamespaces),
        }
    }

    /// The engine's own network is everybody's, also who has none to the outside.
    fn network(&mut self, at: String, value: &Value) {
        let word = value.as_str().unwrap_or("host");
        match word.split_once(':').map_or(word, |(kind, _)| kind) {
            "none" | "service" => {}
            "bridge" | "default" | "private" | "container" => self.refuse(at, value, Word::External),
            _ => self.refuse(at, value, Word::HostNamespaces),
        }
    }

    fn security(&mut self, at: &str, value: &Value) {
        let harmless = ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"];
        for option in value.as_array().into_iter().flatten() {
            if !option.as_str().is_some_and(|option| harmless.contains(&option)) {
                self.refuse(at.to_owned(), option, Word::SecurityOptions);
            }
        }
    }

    fn volumes_from(&mut self, at: &str, service: &Object) {
        for from in list(service, "volumes_from") {
            if from.as_str().is_none_or(|from| from.starts_with("container:")) {
                self.refuse(at.to_owned(), from, Word::External);
            }
        }
    }

    fn volumes(&mut self, at: &str, service: &Object) {
        for volume in list(service, "volumes") {
            let Some(members) = volume.as_object() else {
                self.refuse(at.to_owned(), volume, Word::OtherKeys);
                continue;
            };
            if !mounting::is_known(members) {
                self.refuse(at.to_owned(), volume, Word::OtherKeys);
            }
            let propagation = members.get("bind").and_then(|bind| bind.get("propagation"));
            if !is_nothing(propagation) && propagation.is_none_or(|kind| kind != "private" && kind != "rprivate") {
                self.refuse(at.to_owned(), volume, Word::Mounts);
            }
            match (text(members, "type"), text(members, "source")) {
                (Some("bind"), Some(source)) => {
                    let read_only = members.get("read_only") == Some(&Value::Bool(true));
                    self.mention(at.to_owned(), source, Mentioned::Mount { read_only });
                }
                (Some("volume"), None) | (Some("tmpfs"), _) => {}
                (Some("volume"), Some(source)) if is_service(source) => {}
                (Some("image"), Some(source)) if is_image(source) => {}
                _ => self.refuse(at.to_owned(), volume, Word::Mounts),
            }
        }
    }

    fn read_files(&mut self, at: &str, of: &Object, key: &str) {
        for file in list(of, key) {
            match file.get("path").and_then(Value::as_str) {
                Some(path) => self.mention(at.to_owned(), path, Mentioned::Read),
                None => self.refuse(at.to_owned(), file, Word::Files),
            }
        }
    }

    fn image(&mut self, at: String, value: &Value) {
        match value.as_str() {
            Some(image) if self.built.contains(image) && is_image(image) => {}
            Some(image) => self.foreign_image(at, value, image),
            None => self.refuse(at, value, Word::Files),
        }
    }

    fn foreign_image(&mut self, at: String, value: &Value, image: &str) {
        if !is_image(image) {
            self.refuse(at, value, Word::Files);
        } else if is_of_a_sandbox(image) {
            self.refuse(at, value, Word::External);
        }
    }

    /// Secrets and configs that a service gets: tools put where they go into words of an engine's command.
    fn handed(&mut self, at: &str, value: &Value) {
        let plain = |value: &Value| value.as_str().is_none_or(|text| !text.contains([':', ',', '$', '=']));
        let is_known = |one: &Value| match one {
            Value::String(name) => is_service(name),
            Value::Object(members) => members.iter().all(|(key, value)| {
                ["source", "target", "uid", "gid", "mode"].contains(&key.as_str())
                    && !value.is_object()
                    && !value.is_array()
                    && plain(value)
            }),
            _ => false,
        };
        for one in value.as_array().into_iter().flatten().filter(|one| !is_known(one)) {
            self.refuse(at.to_owned(), one, Word::OtherKeys);
        }
        if !value.is_array() {
            self.refuse(at.to_owned(), value, Word::OtherKeys);
        }
    }

    fn logging(&mut self, at: String, value: &Value) {
        let driver = value.get("driver").map_or(Some(""), Value::as_str);
        let driver_is_known = driver.is_some_and(|driver| LOGGING_DRIVERS.contains(&driver));
        let options = value.get("options").filter(|options| !is_nothing(Some(options)));
        let is_known = |options: &Object| options.keys().all(|key| LOGGING_OPTIONS.contains(&key.as_str()));
        if !driver_is_known || options.is_some_and(|options| !options.as_object().is_some_and(is_known)) {
            self.refuse(at, value, Word::OtherKeys);
        }
    }

    fn hooks(&mut self, at: String, value: &Value) {
        let asks = |hook: &Value| !is_nothing(hook.get("privileged"));
        if value.as_array().is_none_or(|hooks| hooks.iter().any(asks)) {
            self.refuse(at, value, Word::Privileged);
        }
    }

    fn deploy(&mut self, at: String, value: &Value) {
        let devices = value.pointer("/resources/reservations/devices");
        if !is_nothing(devices) {
            self.refuse(format!("{at}.resources.reservations.devices"), value, Word::Devices);
        }
    }

    fn build(&mut self, at: &str, value: &Value) {
        let Some(build) = value.as_object() else { return self.refuse(at.to_owned(), value, Word::OtherKeys) };
        let context = text(build, "context");
        if let Some(context) = context.filter(|context| !is_address(context)) {
            for name in DOCKERFILES {
                self.mention(format!("{at}.context"), &joined(context, name), Mentioned::Read);
            }
        }
        for (key, value) in build.iter().filter(|(_, value)| !is_nothing(Some(value))) {
            let here = format!("{at}.{key}");
            match (key.as_str(), context) {
                ("context", Some(context)) => self.context(here, value, context),
                ("dockerfile", Some(context)) if value.is_string() && !is_address(context) => {
                    let file = joined(context, value.as_str().unwrap_or_default());
                    self.mention(here, &file, Mentioned::Read);
                }
                ("additional_contexts", _) => {
                    for (_, context) in mapping(build, "additional_contexts") {
                        match context.as_str() {
                            Some(named) if named.starts_with("service:") => {}
                            Some(path) if path.starts_with(IMAGE) => {
                                self.foreign_image(here.clone(), context, &path[IMAGE.len()..]);
                            }
                            Some(path) => self.context(here.clone(), context, path),
                            None => self.refuse(here.clone(), context, Word::Files),
                        }
                    }
                }
                ("network", _) if matches!(value.as_str(), Some("none" | "default")) => {}
                ("network", _) => self.network(here, value),
                ("secrets", _) => self.handed(&here, value),
                ("cache_from", _) => {
                    for from in list(build, "cache_from") {
                        self.image(here.clone(), from);
                    }
                }
                ("privileged" | "entitlements", _) => self.refuse(here, value, Word::Privileged),
                ("ssh", _) => self.refuse(here, value, Word::Files),
                (known, _) if HARMLESS_IN_BUILDS.contains(&known) => {}
                _ => self.refuse(here, value, Word::OtherKeys),
            }
        }
    }

    fn context(&mut self, at: String, value: &Value, context: &str) {
        if is_address(context) || !context.starts_with('/') {
            self.refuse(at, value, Word::Files);
        } else {
            self.mention(at, context, Mentioned::Read);
        }
    }

    fn resource(&mut self, kind: &str, at: &str, resource: &Object) {
        for (key, value) in resource.iter().filter(|(_, value)| !is_nothing(Some(value))) {
            let here = format!("{at}.{key}");
            match (kind, key.as_str()) {
                (_, "external") => self.refuse(here, value, Word::External),
                ("networks", "driver") if matches!(value.as_str(), Some("bridge" | "default")) => {}
                ("networks", "driver") => self.refuse(here, value, Word::HostNamespaces),
                ("networks", "driver_opts") => {}
                ("volumes", "driver") if value == "local" => {}
                ("volumes", "driver" | "driver_opts") => self.refuse(here, value, Word::Mounts),
                ("secrets" | "configs", "file") => match value.as_str() {
                    Some(path) => self.mention(here, path, Mentioned::Handed),
                    None => self.refuse(here, value, Word::Files),
                },
                ("secrets" | "configs", "environment") if value.as_str().is_some_and(is_variable) => {}
                (_, known) if HARMLESS_IN_RESOURCES.contains(&known) => {}
                _ => self.refuse(here, value, Word::OtherKeys),
            }
        }
    }
}

/// Some engines take `archive:/path` for an image, and read that file.
fn is_image(image: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    !image.starts_with(['-', '/', '.']) && image.chars().all(plain) && !image.contains(":/")
}

/// Before the name of an image that stands for a build context.
const IMAGE: &str = "docker-image://";

/// Whether an image has a name that only sandboxes give to what they build, wherever the engine looks for such names first.
fn is_of_a_sandbox(image: &str) -> bool {
    let registries = ["docker.io/", "index.docker.io/", "registry-1.docker.io/", "localhost/"];
    let name = registries.iter().find_map(|registry| image.strip_prefix(registry)).unwrap_or(image);
    name.strip_prefix("library/").unwrap_or(name).starts_with("sandboxer-")
}

/// The images that a file has built, by the names that it gives them.
fn built(document: &Object) -> BTreeSet<String> {
    let services = mapping(document, "services").filter_map(|(_, service)| service.as_object());
    let built = services.filter(|service| service.get("build").is_some_and(Value::is_object));
    built.filter_map(|service| text(service, "image").map(str::to_owned)).collect()
}

/// What is left of `refusals` once the profile has allowed what it allows, as one failure.
pub(super) fn judge(refusals: Vec<Refusal>, allowance: &Allowance) -> Result<(), Failure> {
    let left: Vec<Refusal> = refusals.into_iter().filter(|refusal| !allowance.names(refusal.word)).collect();
    let Some(first) = left.first() else { return Ok(()) };
    let told: Vec<String> =
        left.iter().take(10).map(|refusal| format!("`{}: {}`", refusal.at, refusal.value)).collect();
    let mut words: Vec<&str> = left.iter().map(|refusal| refusal.word.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    let more = if left.len() > 10 { format!(" and {} more", left.len() - 10) } else { String::new() };
    let mut failure = Failure::new(
        ErrorKind::Forbidden,
        format!("the compose file asks for what a sandbox may not have: {}{more}", told.join(", ")),
    );
    failure.hint = Some(if first.word == Word::OtherKeys && words.len() == 1 {
        "leave it out, or put `options: {allow: [other-keys]}` into the profile: this version cannot judge it"
            .to_owned()
    } else {
        format!("leave it out, or put `options: {{allow: [{}]}}` into the profile", words.join(", "))
    });
    Err(left.into_iter().fold(failure, |failure, refusal| {
        failure.with_field(refusal.at, format!("is refused unless the profile allows `{}`", refusal.word))
    }))
}
