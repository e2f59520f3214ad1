//! The keys of a profile.

use super::Fault;
use super::destination::check_destination;
use super::reader::{Fields, Reader};
use super::sheet::Remark;
use super::tree::{Content, Node};
use super::values::{
    check_variable, extension, folder, free_text, id_of_file, isolation, labels, line, name, size, time_span, variable,
    word,
};
use crate::{Cache, Expose, Network, Profile, ProfileInputs, Resources, SecretReference, TtlPolicy};
use serde_json::Value;

const MOST_PROCESSES: u64 = 4_194_304;

/// Reads a profile. Its `id` must be what the file is called: `profile.<slug>.yaml`.
pub fn parse_profile(file_name: &str, text: &str) -> Result<Profile, Vec<Fault>> {
    Reader::run(file_name, text, |reader, root| profile(reader.fields(root)?))
}

fn profile(mut fields: Fields<'_, '_, '_>) -> Option<Profile> {
    let id = fields.required("id", |reader, node| id_of_file(reader, node, "profile."));
    check_extension_or_candidates(&mut fields);
    let profile = Profile {
        title: fields.optional("title", line),
        description: fields.optional("description", free_text),
        extension: fields.optional("extension", extension),
        candidates: fields.optional("candidates", |reader, node| reader.distinct(node, extension)).unwrap_or_default(),
        isolation: fields.optional("isolation", isolation),
        inputs: fields.optional("inputs", inputs).unwrap_or_default(),
        ttl: fields.optional("ttl", ttl).unwrap_or_default(),
        resources: fields.optional("resources", resources).unwrap_or_default(),
        network: fields.optional("network", network).unwrap_or_default(),
        expose: fields.optional("expose", |reader, node| reader.list(node, expose)).unwrap_or_default(),
        caches: fields.optional("caches", |reader, node| reader.list(node, cache)).unwrap_or_default(),
        env: fields
            .optional("env", |reader, node| reader.dictionary(node, check_variable, free_text))
            .unwrap_or_default(),
        secrets: fields.optional("secrets", |reader, node| reader.list(node, secret)).unwrap_or_default(),
        workdir: fields.optional("workdir", |reader, node| folder(reader, node, false)),
        options: fields.optional("options", Reader::object).unwrap_or_default(),
        setup: fields.optional("setup", |reader, node| reader.list(node, command)).unwrap_or_default(),
        labels: fields.optional("labels", labels).unwrap_or_default(),
        // Last, since `?` ends the reading: by now every key was read and every fault reported.
        id: id?,
    };
    Some(profile)
}

fn check_extension_or_candidates(fields: &mut Fields<'_, '_, '_>) {
    match (fields.entry("extension"), fields.entry("candidates")) {
        (Some(_), None) | (None, Some(_)) => {}
        (Some(_), Some(candidates)) => {
            let remark = Remark::new("`extension` and `candidates` exclude each other")
                .hint("keep `candidates` when routing is to choose among them");
            fields.reader.sheet.report(candidates.key_place, remark);
        }
        (None, None) => {
            fields.refuse(Remark::new("`extension` is missing").hint("or list several under `candidates`"));
        }
    }
}

fn inputs(reader: &mut Reader<'_>, node: &Node) -> Option<ProfileInputs> {
    let mut fields = reader.fields(node)?;
    Some(ProfileInputs {
        defaults: fields.optional("defaults", Reader::object).unwrap_or_default(),
        allow: fields.optional("allow", |reader, node| reader.list(node, line)),
    })
}

/// A `max` below the usual default lowers that default; a `default` above the usual `max` must state its own.
fn ttl(reader: &mut Reader<'_>, node: &Node) -> Option<TtlPolicy> {
    let usual = TtlPolicy::default();
    let mut fields = reader.fields(node)?;
    let default = fields.optional("default", time_span);
    let max = fields.optional("max", time_span).unwrap_or(usual.max);
    let policy = TtlPolicy { default: default.unwrap_or(usual.default.min(max)), max };
    if policy.default > policy.max {
        let unstated = if fields.entry("max").is_none() { ", which holds when none is written" } else { "" };
        let message = format!("the default `{}` is longer than the maximum `{}`{unstated}", policy.default, policy.max);
        let entry = fields.entry("default")?;
        return fields.reader.refuse(&entry.value, Remark::new(message));
    }
    Some(policy)
}

fn resources(reader: &mut Reader<'_>, node: &Node) -> Option<Resources> {
    let mut fields = reader.fields(node)?;
    Some(Resources {
        cpus: fields.optional("cpus", Reader::positive),
        memory: fields.optional("memory", size),
        pids: fields.optional("pids", |reader, node| reader.count(node, MOST_PROCESSES)),
        disk: fields.optional("disk", size),
    })
}

fn network(reader: &mut Reader<'_>, node: &Node) -> Option<Network> {
    if matches!(node.content, Content::Map(_)) {
        let mut fields = reader.fields(node)?;
        let allowed = fields.required("allow", |reader, node| reader.distinct(node, destination));
        return Some(Network::Allow(allowed?));
    }
    reader.text(node, |text| match text {
        "none" => Ok(Network::None),
        "host" => Ok(Network::Host),
        other => {
            let message = format!("unknown network {}", crate::id::quote_shortened(other));
            let hint = "it is `none`, `host` or `{allow: [\"*.example.org:443\", …]}`";
            Err(Remark::new(message).near(other, ["none", "host"]).hint(hint))
        }
    })
}

fn destination(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.text(node, |text| check_destination(text).map(|()| text.to_owned()))
}

fn expose(reader: &mut Reader<'_>, node: &Node) -> Option<Expose> {
    let mut fields = reader.fields(node)?;
    let path = fields.required("path", |reader, node| folder(reader, node, true));
    let mode = fields.required("mode", word);
    Some(Expose { path: path?, mode: mode? })
}

fn cache(reader: &mut Reader<'_>, node: &Node) -> Option<Cache> {
    let mut fields = reader.fields(node)?;
    let name_of_cache = fields.required("name", name);
    let path = fields.required("path", |reader, node| folder(reader, node, false));
    let share = fields.required("share", name);
    Some(Cache { name: name_of_cache?, path: path?, share: share? })
}

fn secret(reader: &mut Reader<'_>, node: &Node) -> Option<SecretReference> {
    let mut fields = reader.fields(node)?;
    let name_of_secret = fields.required("name", name);
    let env = fields.required("env", variable);
    Some(SecretReference { name: name_of_secret?, env: env? })
}

fn command(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    if let Value::String(_) = node.to_json() {
        let remark = Remark::new("a command is a list of arguments").hint("for example `[\"make\", \"deps\"]`");
        return reader.refuse(node, remark);
    }
    let arguments = reader.list(node, free_text)?;
    if arguments.first().is_none_or(String::is_empty) {
        return reader.refuse(node, Remark::new("a command names a program first"));
    }
    Some(arguments)
}
