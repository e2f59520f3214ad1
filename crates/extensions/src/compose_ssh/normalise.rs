//! A compose file as its tool resolved it, in one form.
//!
//! `docker compose config` gives long forms with absolute paths; `docker-compose` 1 and `podman-compose` leave short forms
//! in, and `podman-compose` also replaces `$$` although the file will be read once more.

use super::document::{joined, list, literal, mapping, text};
use super::engine::Tool;
use super::failure::precondition;
use super::inputs::is_service;
use sandboxer_types::{Failure, Object};
use serde_json::{Map, Value, json};

/// Brings a resolved file into one form. `directory` is what its relative paths begin at.
///
/// # Errors
///
/// It is no compose file, in words about the place.
pub(super) fn normalise(resolved: Value, tool: Tool, directory: &str) -> Result<Object, Failure> {
    let resolved = if tool == Tool::Podman { escaped(resolved) } else { resolved };
    let Value::Object(mut document) = resolved else { return Err(wrong("the file", "is no mapping")) };
    document.retain(|key, _| !key.starts_with("x-") && key != "version" && key != "name");
    for kind in ["services", "networks", "volumes", "secrets", "configs"] {
        let members = document.entry(kind).or_insert_with(|| json!({}));
        if members.is_null() {
            *members = json!({});
        }
        let Some(members) = members.as_object_mut() else { return Err(wrong(kind, "is no mapping")) };
        for (name, member) in members {
            if !is_service(name) {
                return Err(wrong(kind, &format!("has the name {name:?}, which no other program could be given")));
            }
            if member.is_null() {
                *member = json!({});
            }
            let place = format!("{kind}.{name}");
            let Some(member) = member.as_object_mut() else { return Err(wrong(&place, "is no mapping")) };
            match kind {
                "services" => service(member, &place, directory)?,
                _ => resource(member, &place, directory)?,
            }
        }
    }
    if document["services"].as_object().is_none_or(Map::is_empty) {
        return Err(wrong("the file", "has no service that would be started"));
    }
    declare_volumes(&mut document);
    Ok(document)
}

pub(super) fn wrong(place: &str, message: &str) -> Failure {
    precondition(format!("in the compose file, {place} {message}"))
}

/// Every text as it must be written to mean what it means now.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(literal(&text)),
        Value::Array(items) => items.into_iter().map(escaped).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, value)| (key, escaped(value))).collect())
        }
        other => other,
    }
}

fn service(service: &mut Object, place: &str, directory: &str) -> Result<(), Failure> {
    service.retain(|key, _| !key.starts_with("x-"));
    for key in ["environment", "labels", "annotations", "sysctls"] {
        as_mapping(service, key, place)?;
    }
    for key in ["env_file", "tmpfs", "security_opt", "cap_add", "devices", "volumes_from", "dns"] {
        as_list(service, key);
    }
    for (key, long) in [("networks", Value::Null), ("depends_on", json!({"condition": "service_started"}))] {
        if let Some(Value::Array(names)) = service.get(key) {
            let names = names.iter().filter_map(|name| Some((name.as_str()?.to_owned(), long.clone()))).collect();
            service.insert(key.to_owned(), Value::Object(names));
        }
    }
    each(service, "env_file", place, |file| match file {
        Value::String(path) => Ok(vec![json!({"path": joined(directory, &path), "required": true})]),
        Value::Object(mut file) => {
            let path = file.get("path").and_then(Value::as_str).map(|path| joined(directory, path));
            file.insert("path".to_owned(), path.map_or(Value::Null, Value::from));
            Ok(vec![Value::Object(file)])
        }
        _ => Err("is neither a path nor a mapping"),
    })?;
    each(service, "volumes", place, |volume| long_volume(volume, directory).map(|volume| vec![volume]))?;
    each(service, "ports", place, long_ports)?;
    match service.get_mut("build") {
        Some(Value::String(context)) => {
            let context = context_path(context, directory);
            service.insert("build".to_owned(), json!({"context": context}));
        }
        Some(Value::Object(build)) => {
            for key in ["args", "labels", "additional_contexts"] {
                as_mapping(build, key, place)?;
            }
            if let Some(Value::String(context)) = build.get("context") {
                let context = context_path(context, directory);
                build.insert("context".to_owned(), context.into());
            }
        }
        _ => {}
    }
    Ok(())
}

/// A build context is a folder, or an address that the engine fetches.
fn context_path(context: &str, directory: &str) -> String {
    if is_address(context) { context.to_owned() } else { joined(directory, context) }
}

/// Whether a context or a file is fetched from somewhere else.
pub(super) fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/")
}

fn resource(resource: &mut Object, place: &str, directory: &str) -> Result<(), Failure> {
    resource.retain(|key, _| !key.starts_with("x-"));
    as_mapping(resource, "labels", place)?;
    if let Some(Value::String(file)) = resource.get("file") {
        let file = joined(directory, file);
        resource.insert("file".to_owned(), file.into());
    }
    Ok(())
}

/// `KEY=value` lines as a mapping.
fn as_mapping(of: &mut Object, key: &str, place: &str) -> Result<(), Failure> {
    let Some(Value::Array(lines)) = of.get(key) else { return Ok(()) };
    let read = |line: &Value| {
        let line = line.as_str()?;
        Some(match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), Value::from(value)),
            None => (line.to_owned(), Value::Null),
        })
    };
    let members: Option<Object> = lines.iter().map(read).collect();
    let Some(members) = members else { return Err(wrong(place, &format!("has a `{key}` that is no list of texts"))) };
    of.insert(key.to_owned(), Value::Object(members));
    Ok(())
}

fn as_list(of: &mut Object, key: &str) {
    if let Some(one @ Value::String(_)) = of.get(key).cloned() {
        of.insert(key.to_owned(), Value::Array(vec![one]));
    }
}

/// Replaces every item of a list by those that `read` makes of it.
fn each(
    of: &mut Object,
    key: &str,
    place: &str,
    read: impl Fn(Value) -> Result<Vec<Value>, &'static str>,
) -> Result<(), Failure> {
    let Some(value) = of.remove(key) else { return Ok(()) };
    let items = match value {
        Value::Null => return Ok(()),
        Value::Array(items) => items,
        _ => return Err(wrong(place, &format!("has a `{key}` that is no list"))),
    };
    let mut all = Vec::new();
    for item in items {
        let shown = item.to_string();
        let read = read(item);
        all.extend(read.map_err(|fault| wrong(place, &format!("has the entry {shown} in `{key}`, which {fault}")))?);
    }
    of.insert(key.to_owned(), Value::Array(all));
    Ok(())
}

/// `[SOURCE:]TARGET[:OPTIONS]` as a mapping.
fn long_volume(volume: Value, directory: &str) -> Result<Value, &'static str> {
    let text = match volume {
        Value::String(text) => text,
        Value::Object(long) if drive_like(&long).is_some() => drive_like(&long).unwrap_or_default(),
        Value::Object(mut long) => {
            let is_bind = long.get("type").and_then(Value::as_str) == Some("bind");
            if let Some(Value::String(source)) = long.get("source").filter(|_| is_bind) {
                let source = bind_source(source, directory)?;
                long.insert("source".to_owned(), source.into());
            }
            return Ok(Value::Object(long));
        }
        _ => return Err("is neither a text nor a mapping"),
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        // `docker-compose` 1 writes the mode twice.
        [source, target, options, "rw" | "ro"] => (Some(*source), *target, *options),
        _ => return Err("has more than three parts"),
    };
    let mut long = json!({"target": target});
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" | "z" | "Z" | "nocopy" => {}
            _ => return Err("has an option that is neither `ro`, `rw`, `z`, `Z` nor `nocopy`"),
        }
    }
    if read_only {
        long["read_only"] = Value::Bool(true);
    }
    match source {
        Some(source) if source.starts_with(['/', '.', '~']) => {
            long["type"] = "bind".into();
            long["source"] = bind_source(source, directory)?.into();
        }
        Some(source) => {
            long["type"] = "volume".into();
            long["source"] = source.into();
        }
        None => long["type"] = "volume".into(),
    }
    Ok(long)
}

/// The short form of a volume with a name of one letter, which `docker compose` takes for a drive of another system: `v:/v` for
/// a target, and `v:/v:ro` for the source `v:/v`.
fn drive_like(long: &Object) -> Option<String> {
    let member = |key: &str| long.get(key).and_then(Value::as_str);
    let is_drive =
        |path: &str| path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && path[1..].starts_with(":/");
    let target = member("target")?;
    match (member("type"), member("source")) {
        (Some("volume"), None) if is_drive(target) => Some(target.to_owned()),
        (Some("bind"), Some(source)) if is_drive(source) && !target.starts_with('/') => {
            Some(format!("{source}:{target}"))
        }
        _ => None,
    }
}

/// Names the volumes that services use and the tool has left out, since it took them for something else.
fn declare_volumes(document: &mut Object) {
    let services = mapping(document, "services").filter_map(|(_, service)| service.as_object());
    let used: Vec<String> = services
        .flat_map(|service| list(service, "volumes").filter_map(Value::as_object))
        .filter(|volume| text(volume, "type") == Some("volume"))
        .filter_map(|volume| text(volume, "source").filter(|source| source.len() == 1).map(str::to_owned))
        .collect();
    if let Some(volumes) = document.get_mut("volumes").and_then(Value::as_object_mut) {
        for name in used {
            volumes.entry(name).or_insert_with(|| json!({}));
        }
    }
}

fn bind_source(source: &str, directory: &str) -> Result<String, &'static str> {
    if source.starts_with('~') {
        return Err("begins at a home folder, which is not the sandbox's");
    }
    Ok(joined(directory, source))
}

/// `[[HOST:][PUBLISHED]:]TARGET[/PROTOCOL]` as mappings, a range as one of each.
fn long_ports(port: Value) -> Result<Vec<Value>, &'static str> {
    let text = match port {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Object(mut long) => {
            check_port(&long)?;
            if let Some(Value::Number(number)) = long.get("published") {
                let number = number.to_string();
                long.insert("published".to_owned(), number.into());
            }
            return Ok(vec![Value::Object(long)]);
        }
        _ => return Err("is neither a text, a number nor a mapping"),
    };
    let (places, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let (before, target) = places.rsplit_once(':').unwrap_or(("", places));
    let (host, published) = before.rsplit_once(':').unwrap_or(("", before));
    let targets = port_range(target).ok_or("names no port of a container")?;
    let published: Vec<u16> = match published {
        "" => Vec::new(),
        range => port_range(range).ok_or("names no port of the machine")?.collect(),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    check_port(json!({"target": 1, "protocol": protocol, "host_ip": host}).as_object().unwrap_or(&Object::new()))?;
    let long = targets.enumerate().map(|(place, target)| {
        let mut long = json!({"target": target, "protocol": protocol});
        if let Some(published) = published.get(place) {
            long["published"] = published.to_string().into();
        }
        if !host.is_empty() {
            long["host_ip"] = host.into();
        }
        long
    });
    Ok(long.collect())
}

/// Nothing that could be read as more than the one port it is.
fn check_port(port: &Object) -> Result<(), &'static str> {
    let target = port.get("target").map(|target| target.as_str().map_or_else(|| target.to_string(), str::to_owned));
    target.and_then(|target| target.parse::<u16>().ok()).ok_or("names no port of a container")?;
    let text = |key: &str| port.get(key).map_or(Some(""), Value::as_str);
    if !matches!(text("protocol"), Some("" | "tcp" | "udp" | "sctp")) {
        return Err("has a protocol that is neither `tcp`, `udp` nor `sctp`");
    }
    match text("host_ip") {
        Some(address) if address.is_empty() || address.parse::<std::net::IpAddr>().is_ok() => Ok(()),
        _ => Err("names no address of the machine"),
    }
}

fn port_range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}
