//! What other tools can know without running anything: `sandboxer registry`.

use crate::support::{House, Transcript, Who};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Would say so if it were run.
const PROGRAM: &str = "#!/bin/sh\ntouch was-run\n";

const MANIFEST: &str = "id: ext.boxes
title: Boxes
version: 1.2.0
handler: exec:./boxes
lifecycle: oneshot
concurrency: 4
capabilities:
  isolation_levels: [vm, microvm]
  pricing_model: metered
  verbs: [snapshot, list]
  features: [labels]
  snapshot: {kinds: [filesystem]}
config: {token: hush, root: /srv/boxes}
secrets: {api_key: {required: true, verbs: [provision, teardown]}}
env: {pass: [BOXES_REGION]}
inputs_schema:
  type: object
  required: [image, size]
  properties:
    image: {type: string, description: What it starts from}
    size: {type: integer}
    region: {type: string}
  additionalProperties: false
";

const PYTHON_MANIFEST: &str = "id: ext.clouds
title: Clouds
handler: sandboxer.extensions.clouds:Clouds
capabilities: {isolation_levels: [x-enclave, container], pricing_model: free}
python: {interpreter: python3, requirements: [\"httpx>=0.27\", /home/ada/own.whl, \"own @ git+https://hush@example.org/own\"]}
";

const PROFILE: &str = "id: profile.small
title: A small box
extension: ext.boxes
isolation: vm
inputs: {defaults: {size: 1}, allow: [image, size]}
ttl: {default: 10m, max: 1h}
resources: {memory: 1GiB}
network: {allow: [\"example.org:443\"]}
expose: [{path: ~/.cache, mode: ro}]
secrets: [{name: TOKEN, env: TOKEN}]
env: {PASSWORD: hush}
";

/// Two extensions of an author's own, and a profile.
fn author() -> House {
    let house = House::new(Who::Caller);
    house.write("mine/extensions/ext.boxes.yaml", MANIFEST);
    let program = house.write("mine/extensions/boxes", PROGRAM);
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).expect("ours");
    house.write("mine/extensions/ext.clouds.yaml", PYTHON_MANIFEST);
    house.write("mine/extensions/clouds.py", "open('was-run', 'w')\n");
    house.write("mine/profiles/profile.small.yaml", PROFILE);
    house
}

fn export(house: &House, more: &[&str]) -> Value {
    let typed: Vec<&str> = ["registry", "export", "--catalog", "mine", "--json"].iter().chain(more).copied().collect();
    house.run(&typed).succeeded().json()
}

fn text(house: &House, name: &str) -> String {
    std::fs::read_to_string(house.work().join(name)).expect("it is there")
}

fn read(house: &House, name: &str) -> Value {
    serde_json::from_str(&text(house, name)).expect("JSON")
}

fn change(house: &House, name: &str, change: impl Fn(&mut Value)) {
    let mut value = read(house, name);
    change(&mut value);
    house.write(name, serde_json::to_string_pretty(&value).expect("JSON") + "\n");
}

/// What `sandboxer ext test --report` writes about `ext.boxes`.
fn report(house: &House, name: &str, change: impl Fn(&mut Value)) {
    let check = |id: &str, outcome: &str| json!({"id": id, "level": "L1", "outcome": outcome, "duration_ms": 1});
    let mut report = json!({
        "extension": "ext.boxes", "version": "1.2.0", "sandboxer": "0.1.0", "seed": 7, "level": "L2",
        "manifest_digest": read(house, "registry/ext.boxes.json")["manifest_digest"],
        "started_at": "2026-01-02T03:04:05Z",
        "checks": [check("a", "passed"), check("b", "passed"), check("c", "failed"), check("d", "skipped")],
    });
    change(&mut report);
    house.write(name, report.to_string());
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What breaks the schema that belongs to a file.
fn violations(name: &str, document: &Value) -> Vec<String> {
    let kind = name.split('.').next().expect("a word").replace("ext", "extension");
    let path = repository().join(format!("schemas/registry-{kind}.schema.json"));
    let schema: Value = serde_json::from_slice(&std::fs::read(path).expect("there")).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    validator.iter_errors(document).map(|error| format!("{name}: {}: {error}", error.instance_path())).collect()
}

#[test]
fn an_authors_own_are_described_and_nothing_is_run() {
    let house = author();
    let mut transcript = Transcript::new(&house);
    let typed = ["registry", "export", "--catalog", "mine"];
    let said = transcript.run(&typed).succeeded().stderr;
    assert!(said.contains("left out") && !said.contains("hush"), "{said}");
    transcript.run(&typed).succeeded();
    transcript.run(&["registry", "check", "--catalog", "mine"]).succeeded();
    transcript.note("who has not the extensions sees whether the registry is whole");
    transcript.run(&["registry", "check"]).succeeded();
    transcript.run(&["registry", "check", "--json"]).succeeded();
    for name in ["ext.boxes.json", "ext.clouds.json", "profile.small.json", "index.json"] {
        let written = text(&house, &format!("registry/{name}"));
        assert!(written.ends_with("}\n"));
        for private in ["hush", "/srv/boxes", "/home/ada", "~/.cache", house.work().to_str().expect("a plain path")] {
            assert!(!written.contains(private), "{private} in {name}");
        }
        assert_eq!(violations(name, &read(&house, &format!("registry/{name}"))), Vec::<String>::new());
        transcript.note(name);
        transcript.note(&written);
    }
    assert!(!house.work().join("was-run").exists());
    transcript.matches("registry-of-an-author");
}

#[test]
fn one_extension_comes_with_the_profiles_that_it_makes() {
    let house = author();
    let outcome = export(&house, &["boxes", "--out", "one", "--source", "https://example.org/boxes.git"]);
    assert_eq!(outcome["written"], json!(["ext.boxes.json", "profile.small.json", "index.json"]));
    assert_eq!(read(&house, "one/ext.boxes.json")["source"], "https://example.org/boxes.git");
    let outcome = export(&house, &["clouds", "--out", "one"]);
    assert_eq!(outcome["written"], json!(["ext.clouds.json", "index.json"]));
    let entries = read(&house, "one/index.json")["entries"].clone();
    let ids: Vec<_> = entries.as_array().expect("a list").iter().map(|entry| entry["id"].clone()).collect();
    assert_eq!(ids, ["ext.boxes", "ext.clouds", "profile.small"]);
    assert_eq!(entries[0]["source"], "https://example.org/boxes.git");
    assert_eq!(entries[1]["source"], Value::Null);
}

#[test]
fn what_only_the_file_knows_is_kept() {
    let house = author();
    export(&house, &["--source", "https://example.org/boxes.git"]);
    change(&house, "registry/ext.boxes.json", |file| file["x-stars"] = json!(5));
    change(&house, "registry/index.json", |file| file["x-owner"] = json!("ada"));
    let outcome = export(&house, &[]);
    assert_eq!(outcome["written"], json!(["index.json"]), "the digest is another");
    let file = read(&house, "registry/ext.boxes.json");
    assert_eq!((&file["x-stars"], &file["source"]), (&json!(5), &json!("https://example.org/boxes.git")));
    assert_eq!(read(&house, "registry/index.json")["x-owner"], "ada");
    house.run(&["registry", "check", "--catalog", "mine"]).succeeded();
    house.write("registry/ext.boxes.json", "{");
    let outcome = export(&house, &[]);
    assert_eq!(outcome["written"], json!(["ext.boxes.json", "index.json"]));
    assert!(outcome["notes"][1].as_str().is_some_and(|note| note.contains("could not be read")), "{outcome}");
}

#[test]
fn a_report_counts_while_it_is_about_this_very_extension() {
    let house = author();
    export(&house, &[]);
    report(&house, "older.json", |report| {
        report["started_at"] = json!("2025-01-01T00:00:00Z");
        report["level"] = json!("L1");
    });
    report(&house, "good.json", |_| {});
    export(&house, &["--report", "good.json", "--report", "older.json"]);
    let stated = json!({
        "level": "L2", "date": "2026-01-02T03:04:05Z", "version": "1.2.0", "sandboxer": "0.1.0", "seed": 7,
        "passed": 2, "failed": 1, "skipped": 1,
    });
    assert_eq!(read(&house, "registry/ext.boxes.json")["conformance"], stated);
    let indexed = &read(&house, "registry/index.json")["entries"];
    let expected = json!({"level": "L2", "date": "2026-01-02T03:04:05Z", "version": "1.2.0"});
    assert_eq!((&indexed[0]["conformance"], &indexed[1]["conformance"]), (&expected, &Value::Null));
    house.run(&["registry", "check", "--catalog", "mine"]).succeeded();

    let mut transcript = Transcript::new(&house);
    transcript.note("what does not fit does not count, and what was stated stays");
    report(&house, "version.json", |report| report["version"] = json!("1.1.0"));
    report(&house, "digest.json", |report| report["manifest_digest"] = json!("0".repeat(64)));
    report(&house, "stray.json", |report| report["extension"] = json!("ext.other"));
    let typed = ["registry", "export", "--catalog", "mine", "--report", "version.json", "--report", "digest.json"];
    transcript.run(&[&typed[..], &["--report", "stray.json"]].concat()).succeeded();
    assert_eq!(read(&house, "registry/ext.boxes.json")["conformance"], stated);

    transcript.note("the manifest changes, in what it can do");
    let changed = MANIFEST.replace("/srv/boxes", "/srv/other").replace("concurrency: 4", "concurrency: 5");
    assert!(changed.contains("concurrency: 5"), "it is in the manifest");
    house.write("mine/extensions/ext.boxes.yaml", changed);
    transcript.run(&["registry", "check", "--catalog", "mine"]).ended_with(4);
    transcript.run(&["registry", "export", "--catalog", "mine"]).succeeded();
    assert_eq!(read(&house, "registry/ext.boxes.json").get("conformance"), None);
    assert_eq!(read(&house, "registry/index.json")["entries"][0]["conformance"], Value::Null);

    transcript.note("what is no report is an error, and nothing is written");
    house.write("wrong.json", "{}");
    transcript.run(&["registry", "export", "--catalog", "mine", "--report", "wrong.json"]).ended_with(4);
    transcript.run(&["registry", "export", "--catalog", "mine", "--report", "nowhere.json"]).ended_with(3);
    transcript.matches("registry-reports");
}

#[test]
fn what_is_gone_is_said_and_removed_when_asked() {
    let house = author();
    export(&house, &[]);
    house.write("registry/README.md", "not of the registry\n");
    std::fs::remove_file(house.work().join("mine/profiles/profile.small.yaml")).expect("it was there");
    let mut transcript = Transcript::new(&house);
    let typed = ["registry", "export", "--catalog", "mine"];
    transcript.run(&typed).succeeded();
    assert!(house.work().join("registry/profile.small.json").exists());
    transcript.run(&[&typed[..], &["--prune"]].concat()).succeeded();
    assert!(!house.work().join("registry/profile.small.json").exists());
    assert!(house.work().join("registry/README.md").exists());
    transcript.run(&["registry", "check", "--catalog", "mine"]).succeeded();
    transcript.note("what is broken is not gone");
    house.write("mine/extensions/ext.clouds.yaml", "id: ext.clouds\n");
    transcript.run(&[&typed[..], &["--prune"]].concat()).succeeded();
    assert!(house.work().join("registry/ext.clouds.json").exists());
    transcript.matches("registry-prune");
}

#[test]
fn what_cannot_be_exported_is_said() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["registry", "export"]).ended_with(4);
    transcript.run(&["registry", "export", "nowhere"]).ended_with(3);
    transcript.run(&["registry", "check"]).ended_with(3);
    house.write("profiles/profile.mine.yaml", "id: profile.mine\nextension: ext.local\n");
    transcript.run(&["registry", "export"]).ended_with(4);
    assert!(!house.work().join("registry").exists());
    transcript.run(&["trust", "."]).succeeded();
    transcript.run(&["registry", "export"]).succeeded();
    transcript.run(&["registry", "export", "local", "--prune"]).ended_with(2);
    for source in ["nowhere", "file:///home/ada/app", "https://token@example.org/app"] {
        transcript.run(&["registry", "export", "--source", source]).ended_with(4);
    }
    transcript.matches("registry-refused");
}

type Damage = fn(&House);

/// What can be wrong with a sound registry, by name.
const DAMAGES: [(&str, Damage); 15] = [
    ("no JSON", |house| drop(house.write("registry/ext.boxes.json", "{"))),
    ("a member is missing", |house| change(house, "registry/ext.boxes.json", |file| drop(remove(file, "title")))),
    ("members that are not known", |house| {
        change(house, "registry/ext.boxes.json", |file| {
            file["titel"] = json!("x");
            file["capabilities"]["verbs"][0] = json!("provison");
        });
    }),
    ("a newer format", |house| change(house, "registry/profile.small.json", |file| file["format"] = json!(2))),
    ("another name", |house| {
        let path = house.work().join("registry");
        std::fs::rename(path.join("ext.clouds.json"), path.join("ext.cloudy.json")).expect("it was there");
    }),
    ("a statement of another version", |house| {
        report(house, "good.json", |_| {});
        export(house, &["--report", "good.json"]);
        change(house, "registry/ext.boxes.json", |file| file["conformance"]["version"] = json!("1.1.0"));
    }),
    ("another digest", |house| {
        let file = text(house, "registry/ext.boxes.json");
        house.write("registry/ext.boxes.json", file + "\n");
    }),
    ("not in the index", |house| {
        change(house, "registry/index.json", |file| drop(file["entries"].as_array_mut().expect("a list").pop()));
    }),
    ("in the index alone", |house| {
        std::fs::remove_file(house.work().join("registry/profile.small.json")).expect("it was there");
    }),
    ("twice in the index", |house| {
        change(house, "registry/index.json", |file| {
            let first = file["entries"][0].clone();
            file["entries"].as_array_mut().expect("a list").push(first);
        });
    }),
    ("the index says otherwise", |house| {
        change(house, "registry/index.json", |file| {
            file["entries"][0]["capabilities"]["isolation"] = json!("vm");
            file["isolation_order"] = json!([]);
        });
    }),
    ("the index is damaged", |house| change(house, "registry/index.json", |file| file["entries"] = json!({}))),
    ("no index", |house| {
        std::fs::remove_file(house.work().join("registry/index.json")).expect("it was there");
    }),
    ("the manifest says otherwise", |house| {
        let other = MANIFEST.replace("verbs: [snapshot, list]", "verbs: [list]").replace("integer", "string");
        house.write("mine/extensions/ext.boxes.yaml", other.replace("  snapshot: {kinds: [filesystem]}\n", ""));
    }),
    ("the profile says otherwise", |house| {
        house.write(
            "mine/profiles/profile.small.yaml",
            PROFILE.replace("max: 1h", "max: 2h").replace("size: 1", "size: 2"),
        );
    }),
];

#[test]
fn every_kind_of_fault_is_found() {
    let house = author();
    let mut transcript = Transcript::new(&house);
    for (name, damage) in DAMAGES {
        house.write("mine/extensions/ext.boxes.yaml", MANIFEST);
        house.write("mine/profiles/profile.small.yaml", PROFILE);
        if house.work().join("registry").exists() {
            std::fs::remove_dir_all(house.work().join("registry")).expect("ours");
        }
        export(&house, &[]);
        house.run(&["registry", "check", "--catalog", "mine"]).succeeded();
        damage(&house);
        transcript.note(name);
        transcript.run(&["registry", "check", "--catalog", "mine"]).ended_with(4);
    }
    transcript.run(&["registry", "check", "--catalog", "mine", "--json"]).ended_with(4);
    transcript.matches("registry-faults");
}

fn remove(file: &mut Value, member: &str) -> Option<Value> {
    file.as_object_mut().expect("an object").shift_remove(member)
}

#[test]
fn our_own_registry_is_fresh() {
    let house = House::new(Who::Caller);
    let ours = repository().join("registry");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(ours).expect("`sandboxer registry export --built-in`") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
        let bytes = std::fs::read(&path).expect("readable");
        house.write(&format!("registry/{name}"), &bytes);
        let document = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(violations(&name, &document), Vec::<String>::new());
        names.push(name);
    }
    names.sort();
    let outcome = house.run(&["registry", "export", "--built-in", "--json"]).succeeded().json();
    assert_eq!(outcome["written"], json!([]), "`sandboxer registry export --built-in` writes it anew");
    assert_eq!((&outcome["stale"], &outcome["notes"]), (&json!([]), &json!([])));
    let mut unchanged: Vec<String> = serde_json::from_value(outcome["unchanged"].clone()).expect("names");
    unchanged.sort();
    assert_eq!(unchanged, names);
    assert_eq!(house.run(&["registry", "check"]).succeeded().text(), "no faults\n");
}
