//! The file that runs: what `config` resolved, with what makes it this sandbox's. Pure.

use super::document::{is_nothing, list, literal, mapping, text};
use super::failure::precondition;
use super::inputs::{Place, Plan};
use super::limits;
use super::names::{AGENT_INSIDE, AGENT_SOCKETS, ASKED_PORTS, BUILT, Names};
use sandboxer_types::{Failure, Object};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What goes into the file beside what stands in it.
pub(super) struct Additions<'a> {
    pub(super) names: &'a Names,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) plan: &'a Plan,
    /// Where our agent is on the machine, for the service that commands enter.
    pub(super) agent: Option<String>,
}

/// A file that can run, and what became of it.
#[derive(Debug)]
pub(super) struct RunFile {
    pub(super) document: Object,
    /// The service that commands enter, unless they run on the machine.
    pub(super) entered: Option<String>,
    /// Services that have at least one container.
    pub(super) services: Vec<String>,
    /// What was changed that its author may miss, each in a sentence.
    pub(super) remarks: Vec<String>,
    /// Limits that were asked for and hold otherwise than one may think.
    pub(super) limits_unenforced: Vec<String>,
}

/// Makes the file that runs of a normalised one that was examined.
pub(super) fn make(mut document: Object, additions: &Additions<'_>) -> Result<RunFile, Failure> {
    let entered = match additions.plan.place {
        Place::Service => Some(entered_service(&document, additions.plan.service.as_deref())?),
        Place::Host => None,
    };
    if additions.plan.isolated {
        check_isolated(&document)?;
    }
    let built = built_images(&document, additions.names);
    let mut remarks = Vec::new();
    let addresses_moved = networks(&mut document, additions, &mut remarks);
    for kind in ["volumes", "secrets", "configs"] {
        resources(&mut document, kind, additions);
    }
    let mut services = Vec::new();
    for (name, service) in document["services"].as_object_mut().into_iter().flatten() {
        let Some(service) = service.as_object_mut() else { continue };
        own(service, additions, &mut remarks, name);
        image(service, name, &built, additions);
        ports(service, additions);
        limits::set(service, &additions.plan.resources);
        if addresses_moved {
            free_addresses(service);
        }
        if entered.as_ref() == Some(name) {
            enter(service, additions);
        }
        shorten_anonymous(service);
        if replicas(service) > 0 {
            services.push(name.clone());
        }
    }
    document.insert("name".to_owned(), additions.names.project().into());
    let limits_unenforced = unenforced(additions.plan, services.len(), !built.is_empty());
    Ok(RunFile { document, entered, services, remarks, limits_unenforced })
}

/// The service that commands enter: the one asked for, the only one, or the only one that no other needs.
fn entered_service(document: &Object, asked: Option<&str>) -> Result<String, Failure> {
    let names: Vec<&String> = mapping(document, "services").map(|(name, _)| name).collect();
    let all = || names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let wrong = |message: String| {
        let failure = Failure::invalid_input(format!("`inputs.service` {message}"));
        Err(failure.with_field("inputs.service", message).with_hint("name the service that commands are to enter"))
    };
    if let Some(asked) = asked {
        return match names.iter().find(|name| *name == &asked) {
            Some(name) => Ok((*name).clone()),
            None => wrong(format!("is `{asked}`, but the stack has {}", all())),
        };
    }
    let needed: BTreeSet<&String> = mapping(document, "services")
        .filter_map(|(_, service)| service.as_object())
        .flat_map(|service| mapping(service, "depends_on").map(|(name, _)| name))
        .collect();
    let mut candidates = names.iter().filter(|name| !needed.contains(*name));
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok((*only).clone()),
        _ => wrong(format!("must be said, since the stack has {}", all())),
    }
}

/// Nothing that the profile allows may undo `network: none`.
fn check_isolated(document: &Object) -> Result<(), Failure> {
    let has_own_way = |mode: &str| mode != "none" && !mode.starts_with("service:");
    let service = mapping(document, "services").find(|(_, service)| {
        let mode = service.get("network_mode").filter(|mode| !is_nothing(Some(mode)));
        mode.is_some_and(|mode| mode.as_str().is_none_or(has_own_way))
    });
    let network = mapping(document, "networks").find(|(_, network)| network.as_object().is_some_and(is_external));
    let place = match (service, network) {
        (Some((name, _)), _) => format!("services.{name}.network_mode"),
        (None, Some((name, _))) => format!("networks.{name}"),
        (None, None) => return Ok(()),
    };
    let message =
        format!("the profile has `network: none`, and `{place}` of the compose file has a network of its own");
    Err(precondition(message)
        .with_field(place, "cannot be without a network")
        .with_hint("use `network: host` in the profile"))
}

/// Images that the stack builds, by the names that it gives them, and what they are called in this sandbox: a name that
/// another sandbox, or the machine's owner, uses too must not come to mean this one's.
fn built_images(document: &Object, names: &Names) -> BTreeMap<String, String> {
    let built = mapping(document, "services").filter_map(|(name, service)| {
        let service = service.as_object()?;
        service.get("build").filter(|build| build.is_object())?;
        let image = text(service, "image").map_or_else(|| format!("\0{name}"), str::to_owned);
        Some((image, format!("{}-{}", names.project(), name.to_ascii_lowercase())))
    });
    built.collect()
}

fn image(service: &mut Object, name: &str, built: &BTreeMap<String, String>, additions: &Additions<'_>) {
    let asked = text(service, "image").map_or_else(|| format!("\0{name}"), str::to_owned);
    if let Some(image) = built.get(&asked) {
        service.insert("image".to_owned(), image.clone().into());
    }
    if let Some(build) = service.get_mut("build").and_then(Value::as_object_mut) {
        build.remove("tags");
        let built = BTreeMap::from([(BUILT.to_owned(), additions.names.mark())]);
        label(build, &built);
    }
}

/// Takes away what would clash with another sandbox of the same file.
fn own(service: &mut Object, additions: &Additions<'_>, remarks: &mut Vec<String>, name: &str) {
    service.remove("develop");
    service.remove("profiles");
    if service.remove("container_name").is_some() {
        remarks
            .push(format!("the container of `{name}` is not called as the file says, so that several can stand here"));
    }
    label(service, &additions.labels);
}

fn label(of: &mut Object, own: &BTreeMap<String, String>) {
    let labels = of.entry("labels").or_insert_with(|| json!({}));
    if !labels.is_object() {
        *labels = json!({});
    }
    if let Some(labels) = labels.as_object_mut() {
        // Nobody but us says whose something is.
        labels.retain(|key, _| !key.starts_with("sandboxer.") && !key.starts_with("com.docker.compose."));
        for (key, value) in own {
            labels.insert(key.clone(), literal(value).into());
        }
    }
}

/// Gives the networks names of this sandbox's own, and lets the engine choose their addresses. Returns whether there were
/// addresses to give up.
fn networks(document: &mut Object, additions: &Additions<'_>, remarks: &mut Vec<String>) -> bool {
    let mut moved = false;
    let needs_default = mapping(document, "services")
        .filter_map(|(_, service)| service.as_object())
        .any(|service| !service.contains_key("networks") && !service.contains_key("network_mode"));
    let Some(networks) = document.get_mut("networks").and_then(Value::as_object_mut) else { return false };
    if needs_default {
        networks.entry("default").or_insert_with(|| json!({}));
    }
    for (name, network) in networks {
        let Some(network) = network.as_object_mut() else { continue };
        if is_external(network) {
            continue;
        }
        network.remove("name");
        if let Some(options) = network.get_mut("driver_opts").and_then(Value::as_object_mut) {
            options.remove("com.docker.network.bridge.name");
        }
        if network.remove("ipam").is_some_and(|ipam| list_of(&ipam, "config").next().is_some()) {
            moved = true;
            remarks.push(format!(
                "the network `{name}` has other addresses than the file says, so that several can stand here"
            ));
        }
        if additions.plan.isolated {
            network.insert("internal".to_owned(), true.into());
        }
        label(network, &additions.labels);
    }
    moved
}

fn list_of<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.as_object().into_iter().flat_map(move |object| list(object, key))
}

fn is_external(resource: &Object) -> bool {
    resource.get("external").is_some_and(|external| *external != Value::Bool(false) && !external.is_null())
}

fn free_addresses(service: &mut Object) {
    for network in service.get_mut("networks").and_then(Value::as_object_mut).into_iter().flat_map(Object::values_mut) {
        if let Some(network) = network.as_object_mut() {
            network.retain(|key, _| !matches!(key.as_str(), "ipv4_address" | "ipv6_address" | "link_local_ips"));
        }
    }
}

fn resources(document: &mut Object, kind: &str, additions: &Additions<'_>) {
    for resource in document.get_mut(kind).and_then(Value::as_object_mut).into_iter().flat_map(Object::values_mut) {
        let Some(resource) = resource.as_object_mut() else { continue };
        if is_external(resource) {
            continue;
        }
        resource.remove("name");
        if kind == "volumes" {
            label(resource, &additions.labels);
        }
    }
}

/// Lets the engine choose the machine's side of every port, at the address asked for, and notes which port was asked for.
fn ports(service: &mut Object, additions: &Additions<'_>) {
    let asked: Vec<Object> = list(service, "ports").filter_map(|port| port.as_object().cloned()).collect();
    if asked.is_empty() {
        return;
    }
    let mut noted = Vec::new();
    let mut moved = Vec::new();
    for port in &asked {
        let number =
            |key: &str| port.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let (Some(target), protocol) = (number("target"), text(port, "protocol").unwrap_or("tcp")) else { continue };
        if let Some(published) = number("published").filter(|published| !published.is_empty()) {
            noted.push(format!("{target}/{protocol}={published}"));
        }
        let host = text(port, "host_ip").unwrap_or_default();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let before = if host.is_empty() { String::new() } else { format!("{host}::") };
        moved.push(Value::from(format!("{before}{target}/{protocol}")));
    }
    if additions.plan.isolated {
        // Nothing is published from a network without a way out.
        service.remove("ports");
    } else {
        service.insert("ports".to_owned(), Value::Array(moved));
    }
    if let Some(labels) = service.get_mut("labels").and_then(Value::as_object_mut) {
        labels.insert(ASKED_PORTS.to_owned(), literal(&noted.join(",")).into());
    }
}

fn enter(service: &mut Object, additions: &Additions<'_>) {
    if let Some(environment) = service.entry("environment").or_insert_with(|| json!({})).as_object_mut() {
        for (name, value) in &additions.plan.env {
            environment.insert(name.clone(), literal(value).into());
        }
    }
    let Some(agent) = &additions.agent else { return };
    if let Some(volumes) = service.entry("volumes").or_insert_with(|| json!([])).as_array_mut() {
        volumes.retain(|volume| volume.get("target").and_then(Value::as_str) != Some(AGENT_INSIDE));
        volumes.push(json!({"type": "bind", "source": literal(agent), "target": AGENT_INSIDE, "read_only": true}));
    }
    if let Some(tmpfs) = service.entry("tmpfs").or_insert_with(|| json!([])).as_array_mut() {
        tmpfs.push(format!("{AGENT_SOCKETS}:mode=1777,size=1m").into());
    }
}

/// Writes volumes without a name in the short form: `podman-compose` 1.6 looks for a source in every long one.
fn shorten_anonymous(service: &mut Object) {
    for volume in service.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(long) = volume.as_object() else { continue };
        let others =
            long.iter().filter(|(key, value)| !matches!(key.as_str(), "type" | "target") && !is_nothing(Some(value)));
        // A short form with a `:` in it would be read as more than a target.
        let target = text(long, "target").filter(|target| target.starts_with('/') && !target.contains(':'));
        if let (Some("volume"), Some(target), 0) = (text(long, "type"), target, others.count()) {
            *volume = target.into();
        }
    }
}

fn replicas(service: &Object) -> u64 {
    let scale = service.get("scale").and_then(Value::as_u64);
    let deployed = service.get("deploy").and_then(|deploy| deploy.get("replicas")).and_then(Value::as_u64);
    scale.or(deployed).unwrap_or(1)
}

fn unenforced(plan: &Plan, services: usize, builds: bool) -> Vec<String> {
    let mut told = Vec::new();
    let limited = plan.resources.cpus.is_some() || plan.resources.memory.is_some() || plan.resources.pids.is_some();
    if limited && services > 1 {
        told.push("the limits hold for each container, not for the stack as a whole".to_owned());
    }
    if plan.isolated {
        told.push("containers reach the machine's own addresses on their networks".to_owned());
        if builds {
            told.push("what builds the images reaches the network".to_owned());
        }
    }
    told
}
