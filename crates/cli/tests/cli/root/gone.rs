//! Sandboxes whose extension is taken away, and comes back.

use crate::support::{House, Sandbox, Who};
use std::path::PathBuf;

const LOCAL: &str = include_str!("../../../../../extensions/ext.local.yaml");
const PROFILE: &str = "id: profile.mine
extension: ext.mine
isolation: container
ttl: {default: 10m, max: 1h}
workdir: /workspace
";

/// A house with an extension of its own, which makes local sandboxes.
fn house() -> (House, PathBuf) {
    let house = House::new(Who::Caller);
    house.write("catalog/profiles/profile.mine.yaml", PROFILE);
    let manifest = write_manifest(&house);
    (house, manifest)
}

fn write_manifest(house: &House) -> PathBuf {
    house.write("catalog/extensions/ext.mine.yaml", LOCAL.replace("ext.local", "ext.mine"))
}

fn run(house: &House, arguments: &[&str]) -> crate::support::Outcome {
    house.run(&[&["--catalog", "catalog"], arguments].concat())
}

#[test]
fn a_sandbox_outlives_its_extension_and_is_removed_when_that_is_back() {
    let (house, manifest) = house();
    let sandbox = Sandbox::create(&house, "mine --name box --catalog catalog");
    std::fs::remove_file(&manifest).expect("there");

    let listed = run(&house, &["ls"]).succeeded().text();
    assert!(listed.contains("ready") && listed.contains("extension_missing"), "{listed}");
    let shown = run(&house, &["show", "box"]).succeeded().text();
    assert!(shown.contains("`ext.mine` cannot be called: its manifest is not there"), "{shown}");
    assert_eq!(run(&house, &["exec", "box", "--", "echo", "still here"]).succeeded().text(), "still here\n");
    let reconciled = run(&house, &["reconcile", "--json"]).succeeded().json();
    assert_eq!(reconciled["outcomes"][0]["action"], "leave");

    let removed = run(&house, &["rm", "box"]).ended_with(8);
    for wanted in ["its manifest is not there", &sandbox.id, "sandboxer.owner=own", "localhost", "sandbox_id", "forget"]
    {
        assert!(removed.stderr.contains(wanted), "{wanted}: {removed:?}");
    }
    assert!(sandbox.folder().exists());
    let reconciled = run(&house, &["reconcile"]).ended_with(8);
    assert_eq!(reconciled.stderr.matches("cannot be called").count(), 1, "{reconciled:?}");
    let shown = run(&house, &["show", "box", "--json"]).succeeded().json();
    assert_eq!((&shown["state"], &shown["cleanup"]["complete"]), (&"tearing_down".into(), &false.into()));

    write_manifest(&house);
    assert!(run(&house, &["rm", "box"]).succeeded().text().contains("gone"));
    assert!(!sandbox.folder().exists());
}

#[test]
fn a_broken_or_untrusted_manifest_is_told_from_one_that_is_gone() {
    let (house, _) = house();
    Sandbox::create(&house, "mine --name box --catalog catalog");
    house.write("catalog/extensions/ext.mine.yaml", "id: ext.mine\nhandler: exec:gone.sh\n");
    let shown = run(&house, &["show", "box"]).succeeded().text();
    assert!(shown.contains("is broken") && shown.contains("sandboxer ext check ext.mine"), "{shown}");
    house.write("extensions/ext.mine.yaml", LOCAL.replace("ext.local", "ext.mine"));
    let shown = house.run(&["show", "box"]).succeeded().text();
    assert!(shown.contains("is not trusted"), "{shown}");
    write_manifest(&house);
    run(&house, &["rm", "box"]).succeeded();
}

#[test]
fn a_record_can_be_closed_by_hand() {
    let (house, manifest) = house();
    let sandbox = Sandbox::create(&house, "mine --name box --catalog catalog");
    std::fs::remove_file(&manifest).expect("there");
    run(&house, &["forget", "box"]).ended_with(4);
    run(&house, &["rm", "box"]).ended_with(8);
    run(&house, &["forget", "box", "--note", "cleaned by hand"]).succeeded();
    assert!(run(&house, &["ls"]).succeeded().text().is_empty());
    assert!(sandbox.folder().exists(), "it is no longer ours to remove");
    // By hand, then.
    house.leftovers().remove();
    std::fs::remove_dir_all(sandbox.folder()).expect("nothing runs there any more");
}
