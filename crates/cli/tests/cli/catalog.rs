//! Extensions and profiles from files: faults, trust, and what stays usable beside them.

use crate::support::{House, Transcript, Who};
use std::os::unix::fs::PermissionsExt;

const SOUND_PROFILE: &str = "id: profile.mine
title: My own
extension: ext.local
isolation: container
ttl: {default: 10m, max: 1h}
workdir: /workspace
";

#[test]
fn what_is_built_in() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    for typed in [
        vec!["ext", "ls"],
        vec!["ext", "ls", "--json"],
        vec!["ext", "show", "local"],
        vec!["ext", "show", "ext.local", "--json"],
        vec!["ext", "check"],
        vec!["ext", "check", "local"],
        vec!["ext", "check", "--json"],
        vec!["profile", "ls"],
        vec!["profile", "ls", "--json"],
        vec!["profile", "show", "local"],
        vec!["profile", "show", "profile.local-net", "--json"],
        vec!["profile", "check"],
        vec!["trust", "ls"],
        vec!["trust", "ls", "--json"],
    ] {
        transcript.run(&typed).succeeded();
    }
    transcript.matches("built-in");
}

#[test]
fn what_is_not_there() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["ext", "show", "locla"]).ended_with(3);
    transcript.run(&["ext", "show", "something-else-entirely"]).ended_with(3);
    transcript.run(&["profile", "show", "profile.locla"]).ended_with(3);
    transcript.run(&["profile", "show", "../local"]).ended_with(4);
    transcript.run(&["ext", "show", ""]).ended_with(4);
    transcript.run(&["ext", "check", "nowhere"]).ended_with(3);
    transcript.run(&["profile", "check", "nowhere"]).ended_with(3);
    transcript.run(&["trust", "nowhere"]).ended_with(3);
    transcript.run(&["trust", "rm", "nowhere"]).succeeded();
    transcript.run(&["ext", "ls", "--catalog", "nowhere"]);
    transcript.matches("catalog-not-found");
}

#[test]
fn every_fault_of_every_file_is_said_at_once() {
    let house = House::new(Who::Caller);
    house.write(
        "catalog/profiles/profile.broken.yaml",
        "id: profile.broken
titel: A slip
extension: ext.locla
isolation: steel
ttl: {default: 2h, max: 1h}
network: sometimes
",
    );
    house.write("catalog/profiles/profile.tab.yaml", "id: profile.tab\n\textension: ext.local\n");
    house.write("catalog/profiles/profile.other-name.yaml", SOUND_PROFILE);
    house.write("catalog/profiles/profile.mine.yaml", SOUND_PROFILE);
    house.write("catalog/profiles/notes.txt", "not a profile\n");
    house.write("catalog/extensions/ext.broken.yaml", "id: ext.broken\nhandler: builtin:nothing\nversion: one\n");
    house.write("catalog/extensions/ext.empty.yaml", "");
    house.write("catalog/extensions/ext.binary.yaml", [0xff, 0xfe, 0x00, 0x01]);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["ext", "check", "--catalog", "catalog"]).ended_with(4);
    transcript.run(&["profile", "check", "--catalog", "catalog", "--json"]).ended_with(4);
    transcript.run(&["profile", "check", "broken", "--catalog", "catalog"]).ended_with(4);
    transcript.run(&["profile", "check", "mine", "--catalog", "catalog"]).succeeded();
    transcript.run(&["profile", "ls", "--catalog", "catalog"]).succeeded();
    transcript.run(&["ext", "ls", "--catalog", "catalog"]).succeeded();
    transcript.run(&["profile", "show", "mine", "--catalog", "catalog"]).succeeded();
    transcript.run(&["create", "broken", "--catalog", "catalog"]).ended_with(4);
    transcript.run(&["run", "broken", "--catalog", "catalog", "--", "true"]).ended_with(125);
    transcript.matches("catalog-faults");
}

#[test]
fn a_working_directory_is_inert_until_it_is_trusted_and_when_it_has_changed() {
    let house = House::new(Who::Caller);
    house.write("profiles/profile.mine.yaml", SOUND_PROFILE);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["profile", "ls"]).succeeded();
    transcript.run(&["profile", "show", "mine"]).ended_with(4);
    transcript.run(&["profile", "check", "mine"]).ended_with(4);
    transcript.run(&["create", "mine"]).ended_with(4);
    transcript.run(&["trust", "--dry-run"]).succeeded();
    transcript.run(&["profile", "show", "mine"]).ended_with(4);
    transcript.run(&["trust", "."]).succeeded();
    transcript.run(&["trust", "ls"]).succeeded();
    transcript.run(&["profile", "show", "mine"]).succeeded();
    transcript.note("the file changes");
    house.write("profiles/profile.mine.yaml", SOUND_PROFILE.replace("10m", "20m"));
    transcript.run(&["profile", "show", "mine"]).ended_with(4);
    transcript.note("and is again what it was");
    house.write("profiles/profile.mine.yaml", SOUND_PROFILE);
    transcript.run(&["profile", "show", "mine"]).succeeded();
    transcript.run(&["trust", "rm", "."]).succeeded();
    transcript.run(&["profile", "show", "mine"]).ended_with(4);
    transcript.run(&["trust", "rm", "."]).succeeded();
    transcript.matches("trust");
}

fn make_executable(path: &std::path::Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("ours");
}

#[test]
fn trust_shows_what_a_directory_would_be_allowed() {
    let house = House::new(Who::Caller);
    house.write("profiles/profile.net.yaml", SOUND_PROFILE.replace("mine", "net") + "network: host\n");
    house.write("profiles/profile.broken.yaml", "id: profile.broken\nextension: 7\n");
    house.write(
        "extensions/ext.script.yaml",
        "id: ext.script
title: A script
version: 1.0.0
handler: exec:./run.sh
capabilities: {isolation_levels: [container], pricing_model: self-hosted}
inputs_schema: {type: object}
",
    );
    make_executable(&house.write("extensions/run.sh", "#!/bin/sh\n"));
    let mut transcript = Transcript::new(&house);
    transcript.run(&["trust", "--dry-run"]).succeeded();
    transcript.run(&["trust", "--dry-run", "--json"]).succeeded();
    transcript.run(&["trust", "."]).succeeded();
    transcript.run(&["ext", "ls"]).succeeded();
    transcript.run(&["ext", "show", "script"]).succeeded();
    transcript.run(&["ext", "check", "script"]).succeeded();
    transcript.note("the script that the handler runs changes");
    house.write("extensions/run.sh", "#!/bin/sh\nrm -rf /\n");
    transcript.run(&["ext", "show", "script"]).ended_with(4);
    transcript.matches("trust-survey");
}

#[test]
fn a_damaged_trust_book_is_said_and_not_overwritten() {
    let house = House::new(Who::Caller);
    let book = house.path("config").join("sandboxer/trust.json");
    std::fs::create_dir_all(book.parent().expect("a folder")).expect("ours");
    std::fs::write(&book, "{not json").expect("ours");
    let mut transcript = Transcript::new(&house);
    transcript.run(&["trust", "ls"]).ended_with(4);
    transcript.run(&["trust", "."]).ended_with(4);
    transcript.note("nothing is trusted, and the rest goes on");
    transcript.run(&["ls"]).ended_with(0);
    assert_eq!(std::fs::read_to_string(&book).expect("still there"), "{not json");
    transcript.matches("trust-book-damaged");
}
