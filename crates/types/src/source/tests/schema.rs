//! The schemas in `schemas/`, which editors check files by, say what the readers say.

use super::{DOCUMENT_MANIFEST, FULL_MANIFEST, FULL_PROFILE, manifest, mutated, printed, profile};
use crate::source::sheet::Sheet;
use crate::source::{parse_manifest, parse_profile, tree};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static MANIFEST: LazyLock<Validator> = LazyLock::new(|| validator("manifest"));
static PROFILE: LazyLock<Validator> = LazyLock::new(|| validator("profile"));

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn validator(name: &str) -> Validator {
    let text = fs::read_to_string(root().join(format!("schemas/{name}.schema.json"))).expect("cargo xtask codegen");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("a schema");
    jsonschema::draft202012::new(&schema).expect("a schema")
}

/// What a parser of YAML gives an editor.
fn data(text: &str) -> Value {
    tree::parse(&mut Sheet::new("a.yaml", text)).expect("YAML").to_json()
}

fn complaints(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn accepts(validator: &Validator, value: &Value) {
    assert_eq!(complaints(validator, value), Vec::<String>::new(), "{value:#}");
}

fn files(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry"));
    let is_yaml = |(name, _): &(String, PathBuf)| name.ends_with(".yaml");
    let named = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).filter(is_yaml);
    named.map(|(name, path)| (name, fs::read_to_string(path).expect("a file"))).collect()
}

#[test]
fn what_is_shipped_and_what_is_documented_fits() {
    for (name, text) in files("extensions") {
        parse_manifest(&name, &text).unwrap_or_else(|faults| panic!("{}", printed::<()>(Err(faults))));
        accepts(&MANIFEST, &data(&text));
    }
    for (name, text) in files("profiles") {
        parse_profile(&name, &text).unwrap_or_else(|faults| panic!("{}", printed::<()>(Err(faults))));
        accepts(&PROFILE, &data(&text));
    }
    accepts(&MANIFEST, &data(DOCUMENT_MANIFEST));
    accepts(&MANIFEST, &data(FULL_MANIFEST));
    accepts(&PROFILE, &data(FULL_PROFILE));
}

#[test]
fn what_travels_fits_as_well() {
    let manifest = manifest(FULL_MANIFEST).expect("valid");
    accepts(&MANIFEST, &serde_json::to_value(manifest).expect("serializes"));
    let profile = profile(FULL_PROFILE).expect("valid");
    accepts(&PROFILE, &serde_json::to_value(profile).expect("serializes"));
}

/// Stretches of the complete files, and what may stand there instead.
#[test]
fn what_readers_make_allowances_for_schemas_do_too() {
    for (stretch, instead) in [
        ("title: Everything a manifest can say", "title: 42"),
        ("version: 0.3.1", "version: 1.10"),
        ("version: 0.3.1", "version:"),
        ("concurrency: 4", "concurrency: ~"),
        ("timeouts: {provision: 15m,", "timeouts: {provision: ' 1h  30m ',"),
        ("timeouts: {provision: 15m, wait_ready: 10m, teardown: 10m}", "timeouts:"),
        ("{required: true, verbs: [provision, teardown]}", "{}"),
        ("{required: true, verbs: [provision, teardown]}", "{required: null}"),
        ("env: {pass: [SSH_AUTH_SOCK]}", "env: {pass: []}"),
        ("[container, x-enclave]", "[x-my level]"),
        ("handler: python:my_backend:MyExtension", "handler: größe._a:Ü2"),
    ] {
        let text = FULL_MANIFEST.replace(stretch, instead);
        assert_ne!(text, FULL_MANIFEST);
        assert!(manifest(&text).is_ok(), "{}", printed(manifest(&text)));
        accepts(&MANIFEST, &data(&text));
    }
    for (stretch, instead) in [
        ("memory: 4GiB", "memory: 1048576"),
        ("memory: 4GiB", "memory: 10 MB"),
        ("memory: 4GiB", "memory:"),
        ("cpus: 1.5", "cpus: 2"),
        ("ttl: {default: 1h, max: 8h}", "ttl: {max:}"),
        ("network: {allow: [\"*.example.org:443\", \"10.0.0.0/8\"]}", "network: none"),
        ("network: {allow: [\"*.example.org:443\", \"10.0.0.0/8\"]}", "network:"),
        ("\"10.0.0.0/8\"", "\"[2001:db8::1]:22\", \"2001:db8::/32\", \"::1\", localhost, 1a.3com:080, \"10.1.2.3:22\""),
        ("extension: ext.local", "candidates: [ext.local, ext.other]"),
        ("workdir: /workspace", "workdir:"),
        ("workdir: /workspace", "workdir: /a..b/...c"),
        ("path: ~/.rustup", "path: \"~\""),
        ("\"--init\"", "1.5, \"\""),
        ("cost-center: 42", "Cost.center/x: \"\""),
        ("description: Toolchain", "description: |\n  two\n  lines"),
    ] {
        let text = FULL_PROFILE.replace(stretch, instead);
        assert_ne!(text, FULL_PROFILE, "{stretch}");
        assert!(profile(&text).is_ok(), "{}", printed(profile(&text)));
        accepts(&PROFILE, &data(&text));
    }
}

#[test]
fn faulty_manifests_are_refused_by_both() {
    for (stretch, instead) in [
        ("id: ext.full", "id: full"),
        ("id: ext.full", "id: ext.Full"),
        ("title: Everything a manifest can say", "titel: Misspelt"),
        ("title: Everything a manifest can say", "title:"),
        ("title: Everything a manifest can say", "title: \"two\\nlines\""),
        ("title: Everything a manifest can say", "title: ' '"),
        ("version: 0.3.1", "version: true"),
        ("handler: python:my_backend:MyExtension", "handler: exec:run.sh --now"),
        ("handler: python:my_backend:MyExtension", "handler: exec:run.sh"),
        ("handler: python:my_backend:MyExtension", "handler: python:module"),
        ("handler: python:my_backend:MyExtension", "handler: [a]"),
        ("isolation_levels: [container, x-enclave]", "isolation_levels: [containr]"),
        ("isolation_levels: [container, x-enclave]", "isolation_levels: [vm, vm]"),
        ("isolation_levels: [container, x-enclave]", "isolation_levels: []"),
        ("isolation_levels: [container, x-enclave]", "isolation_levels: [x-]"),
        ("pricing_model: metered", "pricing_model: selfhosted"),
        ("verbs: [list, recover", "verbs: [provision, recover"),
        ("verbs: [list, recover", "verbs: [lst, recover"),
        ("features: [labels", "features: [label"),
        ("snapshot: {kinds: [filesystem]}", "snapshot: {kinds: []}"),
        ("snapshot: {kinds: [filesystem]}", "snapshot: {}"),
        ("lifecycle: oneshot", "lifecycle: one-shot"),
        ("concurrency: 4", "concurrency: 0"),
        ("concurrency: 4", "concurrency: 1025"),
        ("concurrency: 4", "concurrency: '4'"),
        ("config: {vms: {haskell-build: {port: 2222}}}", "config: [a, b]"),
        ("config_schema: {type: object}", "config_schema: true"),
        ("api_key: {", "api key: {"),
        ("api_key: {required: true, verbs: [provision, teardown]}", "api_key:"),
        ("verbs: [provision, teardown]", "verbs: [teardwon]"),
        ("required: true", "required: 1"),
        ("required: true", "requird: true"),
        ("provision: 15m", "provision: 15"),
        ("provision: 15m", "provision: 0h0s"),
        ("env: {pass: [SSH_AUTH_SOCK]}", "env: {pass: [1X]}"),
        ("env: {pass: [SSH_AUTH_SOCK]}", "env: {}"),
        ("requirements: [\"requests>=2\"]", "requirements: requests"),
        ("examples: [{inputs:", "examples: [{input:"),
    ] {
        let text = FULL_MANIFEST.replace(stretch, instead);
        assert_ne!(text, FULL_MANIFEST, "{stretch}");
        assert!(manifest(&text).is_err(), "the reader takes `{instead}`");
        assert!(!MANIFEST.is_valid(&data(&text)), "the schema takes `{instead}`");
    }
}

#[test]
fn a_handler_is_refused_by_both() {
    for handler in [
        "",
        ":",
        "local",
        "builtin:",
        "builtin:Local",
        "builtin:../x",
        "exec:",
        "exec:./",
        "exec:/bin/sh",
        "exec:~/run",
        "exec:../run",
        "exec:a/../../run",
        "exec:run;rm",
        "exec:$(id)",
        "exec:a//b",
        "exec:a/./b",
        "exec:-run",
        "exec:a/",
        "python:module:Class:more",
        "python:mod-ule:Class",
        "docker:run:it",
        "module:",
        "a..b:Class",
        "1a:Class",
    ] {
        let text = DOCUMENT_MANIFEST.replace("sandboxer.extensions.my_backend:MyExtension", &format!("'{handler}'"));
        assert!(parse_manifest("ext.my-backend.yaml", &text).is_err(), "the reader takes `{handler}`");
        assert!(!MANIFEST.is_valid(&data(&text)), "the schema takes `{handler}`");
    }
}

#[test]
fn faulty_profiles_are_refused_by_both() {
    for (stretch, instead) in [
        ("extension: ext.local", "extension: local"),
        ("extension: ext.local", "extension: ext.local\ncandidates: [ext.other]"),
        ("extension: ext.local", "candidates: [ext.a, ext.a]"),
        ("extension: ext.local", "candidates: []"),
        ("extension: ext.local", ""),
        ("isolation: container", "isolation: contaner"),
        ("defaults: {base: host}", "default: {}"),
        ("allow: [repo, base]", "allow: repo"),
        ("default: 1h, max: 8h", "default: 1 hour, max: 8h"),
        ("cpus: 1.5", "cpus: 0"),
        ("cpus: 1.5", "cpus: '1.5'"),
        ("memory: 4GiB", "memory: 4Gib"),
        ("memory: 4GiB", "memory: 0"),
        ("memory: 4GiB", "memory: 1.5"),
        ("memory: 4GiB", "memory: 0MiB"),
        ("pids: 512", "pids: -1"),
        ("pids: 512", "pids: 4194305"),
        ("disk: 10GiB", "gpus: 1"),
        ("\"10.0.0.0/8\"", "\"https://example.org\""),
        ("\"10.0.0.0/8\"", "\"10.0.0.0/64\""),
        ("\"10.0.0.0/8\"", "\"*\""),
        ("\"10.0.0.0/8\"", "\"10.0.0\""),
        ("\"10.0.0.0/8\"", "\"10.0.0.256\""),
        ("\"10.0.0.0/8\"", "\"example.org:0\""),
        ("\"10.0.0.0/8\"", "\"-a.org\""),
        ("\"10.0.0.0/8\"", "\"*.example.org:443\""),
        ("network: {allow: [\"*.example.org:443\", \"10.0.0.0/8\"]}", "network: {}"),
        ("network: {allow: [\"*.example.org:443\", \"10.0.0.0/8\"]}", "network: hosts"),
        ("network: {allow:", "network: {deny: [], allow:"),
        ("path: ~/.rustup", "path: ../secrets"),
        ("path: ~/.rustup", "path: /a/../b"),
        ("path: ~/.rustup", "path: ~user"),
        ("mode: ro", "mode: rw"),
        (", mode: ro", ""),
        ("name: cargo-target", "name: -target"),
        (", share: consumer", ""),
        ("JOBS: 1.10", "1BAD: x"),
        ("JOBS: 1.10", "JOBS: [1]"),
        ("JOBS: 1.10", "JOBS:"),
        ("env: TOKEN", "env: TO-KEN"),
        ("workdir: /workspace", "workdir: workspace"),
        ("workdir: /workspace", "workdir: /.."),
        ("options: {disk_bound: tmpfs}", "options: tmpfs"),
        ("setup: [[", "setup: [\"make deps\", ["),
        ("setup: [[", "setup: [[], ["),
        ("setup: [[", "setup: [[\"\"], ["),
        ("cost-center: 42", "sandboxer.id: x"),
        ("cost-center: 42", "team2: true"),
        ("cost-center: 42", "team2: \"a\\tb\""),
    ] {
        let text = FULL_PROFILE.replace(stretch, instead);
        assert_ne!(text, FULL_PROFILE, "{stretch}");
        assert!(profile(&text).is_err(), "the reader takes `{instead}`");
        assert!(!PROFILE.is_valid(&data(&text)), "the schema takes `{instead}`");
    }
}

proptest! {
    #[test]
    fn no_manifest_that_is_read_is_refused_by_its_schema(text in mutated(FULL_MANIFEST)) {
        if manifest(&text).is_ok() {
            prop_assert_eq!(complaints(&MANIFEST, &data(&text)), Vec::<String>::new());
        }
    }

    #[test]
    fn no_profile_that_is_read_is_refused_by_its_schema(text in mutated(FULL_PROFILE)) {
        // The key without a value passes the reader, and the catalog has the last word.
        if profile(&text).is_ok_and(|profile| profile.extension.is_some()) {
            prop_assert_eq!(complaints(&PROFILE, &data(&text)), Vec::<String>::new());
        }
    }
}
