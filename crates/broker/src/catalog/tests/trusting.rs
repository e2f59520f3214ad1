//! The working directory: inert, trusted, changed, and inert again.

use super::*;
use crate::catalog::{Inertness, TrustFault, survey};
use sandboxer_types::{ErrorKind, Failure};
use std::os::unix::fs::symlink;

const OPEN_PROFILE: &str = "\
id: profile.open
extension: ext.shell
network: host
expose: [{path: ~/.cargo, mode: ro}]
";

const HOSTS: &str = "hosts: [{id: build-1, ssh: me@example.org:2222}, {id: my-alias}, {id: localhost, slots: 2}]\n";

/// Something done to a directory, and what it is called.
type Change = (&'static str, &'static dyn Fn(&Directory));

fn project() -> Directory {
    let directory = Directory::with(&[
        ("extensions/ext.shell.yaml", EXEC_MANIFEST),
        ("extensions/lib/helper.sh", "true\n"),
        ("profiles/profile.open.yaml", OPEN_PROFILE),
        ("profiles/profile.quiet.yaml", "id: profile.quiet\nextension: ext.local\n"),
        ("hosts.yaml", HOSTS),
        ("src/main.rs", "not covered"),
    ]);
    directory.write_program("extensions/run.sh", "#!/bin/sh\n");
    directory
}

fn trusted(directory: &Directory) -> TrustBook {
    let mut book = TrustBook::default();
    book.trust(&survey(directory.path()).expect("surveys")).expect("trusts");
    book
}

fn inertness<T: std::fmt::Debug>(looked_up: Result<T, Miss>) -> Option<Inertness> {
    match looked_up {
        Ok(_) => None,
        Err(Miss::Untrusted { inertness, .. }) => Some(inertness),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_working_directory_is_inert_until_trusted_and_again_when_changed() {
    let directory = project();
    let nothing = directory.worked_in(&TrustBook::default());
    assert_eq!(inertness(extension(&nothing, "ext.shell")), Some(Inertness::NotTrusted));
    assert_eq!(inertness(profile(&nothing, "profile.quiet")), Some(Inertness::NotTrusted));
    assert_eq!(nothing.check(), [], "what is inert is not read, so it has no faults");
    profile(&nothing, "profile.local").expect("the built-ins hold");

    let book = trusted(&directory);
    let catalog = directory.worked_in(&book);
    for id in ["profile.quiet", "profile.open"] {
        assert_eq!(inertness(profile(&catalog, id)), None);
    }

    directory.write("profiles/profile.quiet.yaml", "id: profile.quiet\nextension: ext.local\nnetwork: host\n");
    let catalog = directory.worked_in(&book);
    assert_eq!(inertness(profile(&catalog, "profile.quiet")), Some(Inertness::Changed));
    assert_eq!(inertness(profile(&catalog, "profile.open")), None, "another file is what it was");

    let book = trusted(&directory);
    assert_eq!(inertness(profile(&directory.worked_in(&book), "profile.quiet")), None);
}

#[test]
fn a_handler_is_inert_when_anything_it_may_run_has_changed() {
    let changes: [Change; 5] = [
        ("the program", &|directory| directory.write("extensions/run.sh", "#!/bin/sh\nevil\n")),
        ("a helper", &|directory| directory.write("extensions/lib/helper.sh", "evil\n")),
        ("a new module", &|directory| directory.write("extensions/json.py", "evil\n")),
        ("a helper is gone", &|directory| {
            std::fs::remove_file(directory.join("extensions/lib/helper.sh")).expect("removes");
        }),
        ("a link out", &|directory| {
            std::fs::remove_file(directory.join("extensions/run.sh")).expect("removes");
            symlink("/bin/sh", directory.join("extensions/run.sh")).expect("links");
        }),
    ];
    for (name, change) in changes {
        let directory = project();
        let book = trusted(&directory);
        assert_eq!(inertness(extension(&directory.worked_in(&book), "ext.shell")), None, "{name}");
        change(&directory);
        let catalog = directory.worked_in(&book);
        assert_eq!(inertness(extension(&catalog, "ext.shell")), Some(Inertness::NeighbourChanged), "{name}");
        assert_eq!(inertness(profile(&catalog, "profile.quiet")), None, "{name}: no handler of its own");
    }
}

#[test]
fn another_manifest_or_an_unrelated_file_changes_nothing_for_a_handler() {
    let directory = project();
    let book = trusted(&directory);
    directory.write("extensions/ext.new.yaml", GUIDE_MANIFEST);
    directory.write("src/main.rs", "changed");
    assert_eq!(inertness(extension(&directory.worked_in(&book), "ext.shell")), None);
}

#[test]
fn trust_in_one_directory_is_not_trust_in_its_copy() {
    let (original, copy) = (project(), project());
    let book = trusted(&original);
    assert_eq!(inertness(extension(&copy.worked_in(&book), "ext.shell")), Some(Inertness::NotTrusted));
    let link = Directory::new();
    symlink(original.path(), link.join("link")).expect("links");
    let sources = [CatalogSource::BuiltIn(COMPILED_IN), CatalogSource::WorkingDirectory(link.join("link"))];
    assert_eq!(inertness(extension(&Catalog::load(&sources, &book, HANDLERS), "ext.shell")), None, "the same place");
}

#[test]
fn a_survey_tells_what_trust_would_allow() {
    let directory = project();
    directory.write("profiles/profile.bad.yaml", "id: profile.bad\n");
    let found = survey(directory.path()).expect("surveys");
    let mut value = serde_json::to_value(&found).expect("serializes");
    value["files"] = found.files.keys().cloned().collect();
    let text = serde_json::to_string_pretty(&value).expect("serializes");
    let canonical = directory.path().canonicalize().expect("exists").display().to_string();
    insta::assert_snapshot!(text.replace(&canonical, "[dir]"));
}

#[test]
fn what_cannot_be_trusted_is_refused_by_name() {
    let directory = project();
    let outside = Directory::with(&[("tool.sh", "true\n")]);
    symlink(outside.join("tool.sh"), directory.join("extensions/tool.sh")).expect("links");
    symlink(directory.join("src"), directory.join("extensions/src")).expect("links");
    symlink("nowhere", directory.join("extensions/dangling")).expect("links");
    symlink("../src/main.rs", directory.join("extensions/inside.rs")).expect("links");
    rustix::fs::mkfifoat(rustix::fs::CWD, directory.join("extensions/pipe"), 0o600.into()).expect("makes");
    let _socket = std::os::unix::net::UnixListener::bind(directory.join("extensions/socket")).expect("binds");
    let huge = std::fs::File::create(directory.join("extensions/huge")).expect("creates");
    huge.set_len(1 << 40).expect("grows");
    let found = survey(directory.path()).expect("surveys");
    assert!(found.files.contains_key("extensions/inside.rs"), "a link within the directory is what it leads to");
    let mut book = TrustBook::default();
    let refusal = book.trust(&found).expect_err("refused");
    let TrustFault::Refused { ref faults, .. } = refusal else { panic!("{refusal}") };
    let faults = faults.clone();
    assert_eq!(Failure::from(refusal).causes.len(), faults.len());
    assert_eq!(book, TrustBook::default());
    let canonical = directory.path().canonicalize().expect("exists").display().to_string();
    let elsewhere = outside.path().canonicalize().expect("exists").display().to_string();
    let printed = faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(printed.replace(&canonical, "[dir]").replace(&elsewhere, "[outside]"));
}

#[test]
fn unreadable_files_of_the_working_directory_disable_no_built_in() {
    let directory = Directory::new();
    directory.write("profiles/profile.local.yaml", b"\xff");
    std::fs::create_dir_all(directory.join("extensions")).expect("creates");
    rustix::fs::mkfifoat(rustix::fs::CWD, directory.join("extensions/ext.local.yaml"), 0o600.into()).expect("makes");
    profile(&directory.worked_in(&TrustBook::default()), "profile.local").expect("the built-in holds");
}

#[test]
fn a_book_is_kept_for_its_owner_alone_and_read_back() {
    let directory = project();
    let state = Directory::new();
    let path = state.join("deeper/trust.json");
    assert_eq!(TrustBook::load(&path).expect("absent is empty"), TrustBook::default());
    let mut book = trusted(&directory);
    book.save(&path).expect("saves");
    book.save(&path).expect("saves over the old one");
    assert_eq!(std::fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(path.parent().expect("has one")).expect("lists").count(), 1, "no leftovers");
    assert_eq!(TrustBook::load(&path).expect("loads"), book);
    assert!(book.knows(directory.path(), "hosts.yaml", HOSTS.as_bytes()));
    assert!(!book.knows(directory.path(), "hosts.yaml", b"hosts: [evil]\n"));
    assert_eq!(book.directories().map(|(_, files)| files).collect::<Vec<_>>(), [6]);

    assert!(book.remove(directory.path()));
    assert!(!book.remove(directory.path()));
    assert_eq!(inertness(extension(&directory.worked_in(&book), "ext.shell")), Some(Inertness::NotTrusted));
    std::fs::write(&path, "{\"directories\": 7}").expect("writes");
    assert!(matches!(TrustBook::load(&path), Err(TrustFault::Garbled { .. })));
    let nowhere = Failure::from(survey(&state.join("nowhere")).expect_err("is not there"));
    assert_eq!((nowhere.kind, nowhere.causes.len()), (ErrorKind::NotFound, 1));
}
