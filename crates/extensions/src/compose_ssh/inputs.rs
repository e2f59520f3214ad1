//! What is asked for, checked before anything is touched.

use super::allowance::Allowance;
use crate::source::Source;
use sandboxer_sdk::Provision;
use sandboxer_types::{ErrorKind, Failure, Network, Object, Profile, Residue, Resources};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a container of the service.
    Service,
    /// On the machine itself, in the repository's folder.
    Host,
}

/// What a sandbox is to be, checked.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) source: Source,
    /// The compose file, below the repository.
    pub(super) file: Option<String>,
    /// The service that commands enter.
    pub(super) service: Option<String>,
    pub(super) place: Place,
    pub(super) build: bool,
    pub(super) env: BTreeMap<String, String>,
    pub(super) allowance: Allowance,
    pub(super) resources: Resources,
    /// Whether containers reach nothing but each other.
    pub(super) isolated: bool,
}

const INPUTS: [&str; 8] = ["repo", "ref", "sandbox_id", "file", "service", "exec", "build", "env"];

/// Checks a request, without a side effect. All wrong inputs are told at once.
pub(super) fn admit(request: &Provision) -> Result<Plan, Failure> {
    let mut faults = Faults::default();
    for name in request.inputs.keys().filter(|name| !INPUTS.contains(&name.as_str())) {
        faults.add(name, "is no input of `ext.compose-ssh`");
    }
    let inputs = Inputs(&request.inputs);
    let source = faults.take(inputs.source());
    faults.take(inputs.check_id(request));
    let file = faults.take(inputs.file());
    let service = faults.take(inputs.service());
    let place = faults.take(inputs.place(&request.profile));
    let build = faults.take(inputs.flag("build"));
    let env = faults.take(inputs.env());
    faults.conclude()?;
    let isolated = check_profile(&request.profile)?;
    match (source, file, service, place, build, env) {
        (Some(source), Some(file), Some(service), Some(place), Some(build), Some(env)) => Ok(Plan {
            source,
            file,
            service,
            place,
            build,
            env,
            allowance: Allowance::of(&request.profile)?,
            resources: request.profile.resources.clone(),
            isolated,
        }),
        _ => Err(Failure::invalid_input("the inputs cannot be read")),
    }
}

/// The faults of several inputs.
#[derive(Default)]
struct Faults(Vec<Failure>);

impl Faults {
    fn add(&mut self, name: &str, message: &str) {
        self.0.push(wrong(name, message));
    }

    fn take<T>(&mut self, read: Result<T, Failure>) -> Option<T> {
        read.map_err(|failure| self.0.push(failure)).ok()
    }

    fn conclude(&mut self) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut failure = self.0.remove(0);
        for other in self.0.drain(..) {
            failure.message = format!("{}; {}", failure.message, other.message);
            failure.fields.extend(other.fields);
            failure.hint = failure.hint.or(other.hint);
        }
        Err(failure)
    }
}

fn wrong(name: &str, message: &str) -> Failure {
    let field = format!("inputs.{name}");
    Failure::invalid_input(format!("`{field}` {message}")).with_field(field, message)
}

struct Inputs<'a>(&'a Object);

impl Inputs<'_> {
    fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "must be a text")),
        }
    }

    fn source(&self) -> Result<Source, Failure> {
        Source::of(self.0)?.ok_or_else(|| wrong("repo", "is missing"))
    }

    /// The host gives the id; what a caller of the guide's version 0.1 says must agree.
    fn check_id(&self, request: &Provision) -> Result<(), Failure> {
        match self.text("sandbox_id")? {
            Some(id) if id != request.sandbox_id.as_str() => {
                Err(wrong("sandbox_id", "is not the id that the sandbox is made by")
                    .with_hint("leave it out, or ask for the sandbox by that id"))
            }
            _ => Ok(()),
        }
    }

    fn file(&self) -> Result<Option<String>, Failure> {
        let Some(file) = self.text("file")? else { return Ok(None) };
        let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.starts_with('-');
        if file.split('/').all(plain) && !file.chars().any(char::is_control) && !file.contains(':') {
            Ok(Some(file.to_owned()))
        } else {
            Err(wrong("file", "is no path below the repository, without `..`, `:` and a leading `/` or `-`"))
        }
    }

    fn service(&self) -> Result<Option<String>, Failure> {
        match self.text("service")? {
            Some(service) if !is_service(service) => Err(wrong("service", "is no name of a service")),
            service => Ok(service.map(str::to_owned)),
        }
    }

    fn place(&self, profile: &Profile) -> Result<Place, Failure> {
        let of = |text: Option<&str>| match text {
            None => Ok(None),
            Some("service") => Ok(Some(Place::Service)),
            Some("host") => Ok(Some(Place::Host)),
            Some(_) => Err(()),
        };
        let allowed = match profile.option("exec") {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_str().ok_or(()).and_then(|text| of(Some(text))),
        };
        let allowed = allowed.map_err(|()| {
            Failure::invalid_input("`options.exec` must be `service` or `host`")
                .with_field("options.exec", "is neither")
        })?;
        let asked = of(self.text("exec")?).map_err(|()| wrong("exec", "must be `service` or `host`"))?;
        match (asked, allowed) {
            (Some(Place::Host), None | Some(Place::Service)) => {
                Err(wrong("exec", "may be `host` only where the profile's `options.exec` says so"))
            }
            (asked, allowed) => Ok(asked.or(allowed).unwrap_or(Place::Service)),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(wrong(name, "must be true or false")),
        }
    }

    fn env(&self) -> Result<BTreeMap<String, String>, Failure> {
        let no = || wrong("env", "must map names of variables to texts");
        let members = match self.0.get("env") {
            None | Some(Value::Null) => return Ok(BTreeMap::new()),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(no()),
        };
        let read = members.iter().map(|(name, value)| match value.as_str() {
            Some(value) if is_variable(name) && !value.contains('\0') => Ok((name.clone(), value.to_owned())),
            _ => Err(no()),
        });
        read.collect()
    }
}

/// What can name a service, and nothing else to any program.
pub(super) fn is_service(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    text.len() <= 128 && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && text.bytes().all(plain)
}

/// What can name a variable.
pub(super) fn is_variable(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whatever a profile asks for is done, told as not enforced, or refused by name. Returns whether the network is only the
/// stack's own.
fn check_profile(profile: &Profile) -> Result<bool, Failure> {
    let unsupported = |field: &str, message: &str, hint: &str| {
        let failure = Failure::new(ErrorKind::Unsupported, message).with_residue(Residue::None);
        Err(failure.with_field(field, message).with_hint(hint))
    };
    if !profile.expose.is_empty() {
        return unsupported("expose", "`expose` is for sandboxes on this machine", "mount it in the compose file");
    }
    if !profile.caches.is_empty() {
        return unsupported("caches", "`caches` are not kept here yet", "leave `caches` out of the profile");
    }
    if !profile.secrets.is_empty() {
        return unsupported("secrets", "`secrets` are not passed in here yet", "leave `secrets` out of the profile");
    }
    if profile.resources.disk.is_some() {
        let hint = "leave `disk` out of the profile's resources";
        return unsupported("resources.disk", "`resources.disk` cannot be enforced here", hint);
    }
    if let Some(name) = profile.options.keys().find(|name| !["exec", "allow"].contains(&name.as_str())) {
        let field = format!("options.{name}");
        let message = format!("`{field}` is no option of `ext.compose-ssh`");
        return Err(Failure::invalid_input(message.clone()).with_field(field, message));
    }
    match &profile.network {
        Network::None => Ok(true),
        Network::Host => Ok(false),
        Network::Allow(_) => unsupported(
            "network",
            "`network: {allow: …}` cannot be enforced here yet",
            "use `network: none` or `network: host`",
        ),
    }
}
