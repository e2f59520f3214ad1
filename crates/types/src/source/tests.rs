//! Whole files in, values or printed faults out.

mod hosts;
mod schema;

use super::{Fault, LARGEST_FILE, Part, Remark, decode, fault_at, parse_manifest, parse_profile};
use crate::{ByteSize, Handler, Lifecycle, Manifest, Network, Profile, TimeSpan};
use proptest::prelude::*;
use serde_json::json;

const DOCUMENT_MANIFEST: &str = "\
id: ext.my-backend
title: My Backend
handler: sandboxer.extensions.my_backend:MyExtension
capabilities:
  isolation_levels: [container]
  pricing_model: self-hosted
config:
  key: value
";

const FULL_MANIFEST: &str = r#"
id: ext.full
title: Everything a manifest can say
version: 0.3.1
handler: python:my_backend:MyExtension
capabilities:
  isolation_levels: [container, x-enclave]
  pricing_model: metered
  verbs: [list, recover, estimate_cost]
  features: [labels, native_ttl, attach, checkpoint, idempotent]
  snapshot: {kinds: [filesystem]}
lifecycle: oneshot
concurrency: 4
config: {vms: {haskell-build: {port: 2222}}}
config_schema: {type: object}
inputs_schema: {type: object, properties: {repo: {type: string}}}
options_schema: {type: object}
secrets: {api_key: {required: true, verbs: [provision, teardown]}}
timeouts: {provision: 15m, wait_ready: 10m, teardown: 10m}
env: {pass: [SSH_AUTH_SOCK]}
python: {interpreter: python3, requirements: ["requests>=2"]}
examples: [{inputs: {repo: "https://example.org/app.git"}}]
"#;

const FULL_PROFILE: &str = r#"
id: profile.rust-build
title: Build and test Rust
description: Toolchain from this machine, no network, an hour
extension: ext.local
isolation: container
inputs:
  defaults: {base: host}
  allow: [repo, base]
ttl: {default: 1h, max: 8h}
resources: {cpus: 1.5, memory: 4GiB, pids: 512, disk: 10GiB}
network: {allow: ["*.example.org:443", "10.0.0.0/8"]}
expose:
  - {path: ~/.rustup, mode: ro}
  - {path: ~/.cargo/registry, mode: overlay}
caches: [{name: cargo-target, path: /workspace/target, share: consumer}]
env: {CARGO_TERM_COLOR: always, JOBS: 1.10}
secrets: [{name: TOKEN, env: TOKEN}]
workdir: /workspace
options: {disk_bound: tmpfs}
setup: [["git", "submodule", "update", "--init"]]
labels: {team: core, cost-center: 42}
"#;

fn manifest(text: &str) -> Result<Manifest, Vec<Fault>> {
    parse_manifest("extensions/ext.full.yaml", text)
}

fn profile(text: &str) -> Result<Profile, Vec<Fault>> {
    parse_profile("profiles/profile.rust-build.yaml", text)
}

fn printed<T>(result: Result<T, Vec<Fault>>) -> String {
    match result {
        Ok(_) => "no fault".to_owned(),
        Err(faults) => faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n\n"),
    }
}

#[test]
fn the_manifest_of_the_0_1_guide_loads_unchanged() {
    let manifest = parse_manifest("extensions/ext.my-backend.yaml", DOCUMENT_MANIFEST).expect("the guide's own");
    assert_eq!(manifest.id.as_str(), "ext.my-backend");
    assert_eq!(manifest.lifecycle, Lifecycle::Persistent);
    assert_eq!(manifest.config.get("key"), Some(&json!("value")));
    assert!(matches!(manifest.handler, Handler::Bare { ref class, .. } if class == "MyExtension"));
}

#[test]
fn every_key_of_a_manifest_arrives_and_survives_the_wire() {
    let manifest = manifest(FULL_MANIFEST).unwrap_or_else(|faults| panic!("{}", printed::<()>(Err(faults))));
    let value = serde_json::to_value(&manifest).expect("serializes");
    assert_eq!(serde_json::from_value::<Manifest>(value).expect("parses"), manifest);
    assert_eq!(manifest.version.as_deref(), Some("0.3.1"));
    assert_eq!(manifest.timeouts.provision, Some(TimeSpan::seconds(900)));
    assert_eq!(manifest.config["vms"]["haskell-build"]["port"], json!(2222));
    insta::assert_json_snapshot!(manifest);
}

#[test]
fn every_key_of_a_profile_arrives_and_survives_the_wire() {
    let profile = profile(FULL_PROFILE).unwrap_or_else(|faults| panic!("{}", printed::<()>(Err(faults))));
    let value = serde_json::to_value(&profile).expect("serializes");
    assert_eq!(serde_json::from_value::<Profile>(value).expect("parses"), profile);
    assert_eq!(profile.resources.memory, Some(ByteSize::bytes(4 << 30)));
    assert_eq!(profile.env["JOBS"], "1.10", "a number in the environment stays as it was written");
    assert!(matches!(profile.network, Network::Allow(ref destinations) if destinations.len() == 2));
    insta::assert_json_snapshot!(profile);
}

#[test]
fn a_profile_needs_only_an_id_and_an_extension() {
    let text = "id: profile.rust-build\nextension: ext.local\ntitle:\nttl: {max: 30m}\n";
    let profile = profile(text).expect("valid");
    assert_eq!(profile.ttl.default, TimeSpan::seconds(1800), "the usual default is cut to the maximum");
    assert_eq!((profile.title, profile.network), (None, Network::None));
}

#[test]
fn a_manifest_with_many_faults_prints_them_all() {
    let text = r#"id: ext.other
titel: Misspelt
handler: exec:run.sh --now
capabilities:
  isolation_levels: [containr, container, container]
  pricing_model: selfhosted
  verbs: [provision, lst, 7]
  features: [label]
  snapshot: {kinds: []}
lifecycle: one-shot
concurrency: 0
config: [a, b]
version: true
secrets: {api key: {requird: true, verbs: [teardwon]}}
timeouts: {provision: 15, teardown: 0s}
env: {pass: [1X, SSH_AUTH_SOCK]}
examples: [{input: {}}]
python: {interpreter: python3}
"#;
    insta::assert_snapshot!(printed(manifest(text)));
}

#[test]
fn a_profile_with_many_faults_prints_them_all() {
    let text = r#"id: profile.rust-build
extension: local
candidates: [ext.a, ext.a]
isolation: contaner
inputs: {default: {}, allow: repo}
ttl: {default: 2h, max: 1h}
resources: {cpus: 0, memory: 4Gib, pids: -1, disk: many, gpus: 1}
network: {allow: ["https://example.org", "10.0.0.0/64", "*"]}
expose:
  - {path: ../secrets, mode: rw}
  - {path: ~/.rustup}
env: {1BAD: x, GOOD: [1]}
secrets: [{name: TOKEN, env: TO-KEN}]
workdir: workspace
setup: ["make deps", []]
labels: {sandboxer.id: x, team: true}
"#;
    insta::assert_snapshot!(printed(profile(text)));
}

#[test]
fn files_that_are_not_one_mapping_are_told_so() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    let cases = [
        ("empty", String::new()),
        ("only a comment", "# nothing\n".to_owned()),
        ("a list", "- id: ext.full\n".to_owned()),
        ("a word", "hello\n".to_owned()),
        ("two documents", format!("{}---\nid: ext.b\n", FULL_MANIFEST.trim_start())),
        ("a duplicate key", FULL_MANIFEST.replace("concurrency", "version")),
        ("a merge key", FULL_MANIFEST.replace("concurrency: 4", "config: &x {a: 1}\n<<: *x")),
        ("a tag", FULL_MANIFEST.replace("version: 0.3.1", "version: !!str 1")),
        ("a complex key", "? [a, b]\n: c\n".to_owned()),
        ("a tab", "id: ext.full\ncapabilities:\n\tisolation_levels: []\n".to_owned()),
        ("an open bracket", "id: [ext.full\n".to_owned()),
        ("an unknown alias", "id: *nowhere\n".to_owned()),
        ("an alias of itself", "config: &a [*a]\n".to_owned()),
        ("an alias bomb", bomb.to_owned()),
        ("too deep", format!("config: {}", "[".repeat(200))),
        ("a long line", format!("config: {{{}, \"\\\"\": 1\n", "k: v, ".repeat(30))),
        ("control characters", "id: \"\u{202e}live\"\ntitle: \"a\\eb\"\n".to_owned()),
        ("too large", format!("title: {}", "x".repeat(LARGEST_FILE))),
    ];
    let report: Vec<String> =
        cases.into_iter().map(|(name, text)| format!("## {name}\n{}", printed(manifest(&text)))).collect();
    insta::assert_snapshot!(report.join("\n\n"));
}

#[test]
fn the_name_of_the_file_and_the_id_agree() {
    let report: Vec<String> =
        ["ext.other.yaml", "ext.full.yml", "full.yaml", "ext.full", "", "a/ext.full.yaml/", "ext.\u{1b}[31m.yaml"]
            .into_iter()
            .map(|name| printed(parse_manifest(name, FULL_MANIFEST)))
            .collect();
    insta::assert_snapshot!(report.join("\n\n"));
}

#[test]
fn handlers_are_told_what_they_could_be() {
    let report: Vec<String> = ["bulitin:local", "exec:../run", "run.sh", "python:x", "[a]"]
        .into_iter()
        .map(|handler| {
            let text = FULL_MANIFEST.replace("handler: python:my_backend:MyExtension", &format!("handler: {handler}"));
            printed(manifest(&text))
        })
        .collect();
    insta::assert_snapshot!(report.join("\n\n"));
}

#[test]
fn bytes_that_are_not_utf_8_or_too_many_are_refused() {
    let large = vec![b'x'; LARGEST_FILE + 1];
    let faults = [decode("a.yaml", b"id: x\ntitle: \xff\n"), decode("a.yaml", &large)];
    let printed: Vec<String> = faults.into_iter().filter_map(Result::err).map(|fault| fault.to_string()).collect();
    assert_eq!(printed.len(), 2);
    insta::assert_snapshot!(printed.join("\n"));
}

#[test]
fn a_later_fault_is_placed_where_the_file_says_it() {
    let at = |path: &[&str], part| fault_at("p.yaml", FULL_PROFILE, path, part, Remark::new("here"));
    let position = |fault: Fault| (fault.line, fault.column);
    assert_eq!(position(at(&["inputs", "allow", "1"], Part::Value)), (9, 17));
    assert_eq!(position(at(&["inputs", "defaults", "base"], Part::Key)), (8, 14));
    assert_eq!(position(at(&["inputs", "defaults", "base"], Part::Value)), (8, 20));
    assert_eq!(position(at(&["options", "nowhere", "deeper"], Part::Value)), (20, 1));
    assert_eq!(position(at(&[], Part::Value)), (2, 1));
    assert_eq!(position(fault_at("p.yaml", "[", &["id"], Part::Key, Remark::new("x"))), (0, 0));
}

#[test]
fn hundreds_of_faults_are_cut_and_counted() {
    let keys: String = (0..5_000).map(|index| format!("k{index}: {{}}, ")).collect();
    let faults = manifest(&format!("{{{keys}}}")).expect_err("nothing is right");
    assert_eq!(faults.len(), 101);
    assert!(faults.iter().all(|fault| fault.excerpt.len() < 500));
    assert_eq!(faults[100].message, "and 4904 more faults");
}

/// Valid files with one stretch replaced.
fn mutated(base: &'static str) -> impl Strategy<Value = String> {
    let noise = prop_oneof![any::<String>(), "[\\[\\]{}:,&*!|>'\"%@`#\n\t -]{0,8}", Just(String::new())];
    (0..=base.len(), 0..40_usize, noise).prop_map(move |(start, length, noise)| {
        let end = (start + length).min(base.len());
        format!("{}{noise}{}", &base[..start], &base[end..])
    })
}

fn is_well_formed(fault: &Fault) -> bool {
    let shown = fault.to_string();
    !fault.message.contains('\n') && !shown.contains(|c: char| c.is_control() && c != '\n') && shown.len() < 4_000
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), name in any::<String>()) {
        for fault in parse_manifest(&name, &text).err().into_iter().flatten() {
            prop_assert!(!fault.message.contains('\n'));
        }
        prop_assert!(parse_profile(&name, &text).is_err());
    }

    #[test]
    fn a_mutated_manifest_is_read_or_refused_with_well_formed_faults(text in mutated(FULL_MANIFEST)) {
        match manifest(&text) {
            Ok(manifest) => {
                let value = serde_json::to_value(&manifest).expect("serializes");
                prop_assert_eq!(serde_json::from_value::<Manifest>(value).expect("parses"), manifest);
            }
            Err(faults) => prop_assert!(!faults.is_empty() && faults.iter().all(is_well_formed), "{}", printed::<()>(Err(faults))),
        }
    }

    #[test]
    fn a_mutated_profile_is_read_or_refused_with_well_formed_faults(text in mutated(FULL_PROFILE)) {
        match profile(&text) {
            Ok(profile) => {
                let value = serde_json::to_value(&profile).expect("serializes");
                prop_assert_eq!(serde_json::from_value::<Profile>(value).expect("parses"), profile);
            }
            Err(faults) => prop_assert!(!faults.is_empty() && faults.iter().all(is_well_formed), "{}", printed::<()>(Err(faults))),
        }
    }
}
