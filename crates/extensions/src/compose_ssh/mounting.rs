//! The paths in a compose file, judged by what the machine says they really are. Pure.

use super::allowance::Word;
use super::document::{is_in, is_nothing};
use super::places::Found;
use super::policy::{Mention, Mentioned, Refusal};
use sandboxer_types::Object;
use serde_json::Value;
use std::collections::BTreeMap;

/// Sockets of container engines, and the folders on the way to them.
const SOCKETS: [&str; 5] = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
];

/// Judges the paths that a file mentions by what the machine said they are. `project` is the folder, really, that they
/// must stay in.
pub(super) fn examine_places(mentions: &[Mention], places: &BTreeMap<String, Found>, project: &str) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut mounts: Vec<(&Mention, &str, bool)> = Vec::new();
    for mention in mentions {
        let mut refuse = |word| {
            let value = mention.path.escape_debug().to_string();
            refusals.push(Refusal { at: mention.at.clone(), value, word });
        };
        let outside = match mention.what {
            Mentioned::Mount { .. } => Word::Mounts,
            Mentioned::Handed | Mentioned::Read => Word::Files,
        };
        let real = places.get(&mention.path).and_then(Found::real);
        let Some(real) = real.filter(|real| is_plain(real)) else {
            refuse(outside);
            continue;
        };
        if SOCKETS.iter().any(|socket| is_in(socket, real)) || real.ends_with(".sock") && !is_in(real, project) {
            refuse(Word::DockerSocket);
        }
        if !is_in(real, project) {
            refuse(outside);
        }
        match mention.what {
            Mentioned::Mount { read_only } => mounts.push((mention, real, read_only)),
            Mentioned::Handed => mounts.push((mention, real, true)),
            Mentioned::Read => {}
        }
    }
    for (mention, real, _) in &mounts {
        if mounts.iter().any(|(_, other, read_only)| !read_only && other != real && is_in(real, other)) {
            let value = mention.path.escape_debug().to_string();
            refusals.push(Refusal { at: mention.at.clone(), value, word: Word::NestedMounts });
        }
    }
    refusals
}

/// Writes what the mounted paths really are into the file: an engine follows links whenever a container starts, and a
/// container may have changed one by then that was on the way.
pub(super) fn settle(document: &mut Object, places: &BTreeMap<String, Found>) {
    let settle = |path: Option<&mut Value>| {
        let Some(path) = path else { return };
        let real = path.as_str().and_then(|path| places.get(path)).and_then(Found::real);
        if let Some(real) = real.filter(|real| is_plain(real)) {
            *path = real.into();
        }
    };
    for service in members_of(document, "services") {
        for volume in service.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
            if volume.get("type").is_some_and(|kind| kind == "bind") {
                settle(volume.get_mut("source"));
            }
        }
    }
    for kind in ["secrets", "configs"] {
        for resource in members_of(document, kind) {
            settle(resource.get_mut("file"));
        }
    }
}

fn members_of<'a>(document: &'a mut Object, kind: &str) -> impl Iterator<Item = &'a mut Value> {
    document.get_mut(kind).and_then(Value::as_object_mut).into_iter().flat_map(Object::values_mut)
}

/// Whether a mount asks for nothing that is not known here, in words that no tool takes for more than one: some put them into
/// an engine's command as they are.
pub(super) fn is_known(volume: &Object) -> bool {
    let is_word = |value: &Value| match value {
        Value::String(text) => text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    };
    let is_subpath = |value: &Value| value.as_str().is_some_and(|path| is_plain(&format!("/{path}")));
    let inside = |kind: &str, key: &str, value: &Value| match (kind, key) {
        ("bind", "selinux") => value == "z" || value == "Z",
        ("bind", "create_host_path" | "propagation") | ("volume", "nocopy") | ("tmpfs", "size" | "mode") => {
            is_word(value)
        }
        ("volume" | "image", "subpath") => is_subpath(value),
        _ => false,
    };
    volume.iter().filter(|(_, value)| !is_nothing(Some(value))).all(|(key, value)| match key.as_str() {
        "type" | "source" => value.is_string(),
        "target" => value.as_str().is_some_and(is_plain),
        "read_only" | "consistency" => is_word(value),
        kind => value.as_object().is_some_and(|members| {
            members.iter().filter(|(_, value)| !is_nothing(Some(value))).all(|(key, value)| inside(kind, key, value))
        }),
    })
}

/// Whether a path can be written into a mount without being read as something else.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && !path.contains([':', ',', '$']) && !path.chars().any(char::is_control)
}
