//! Hosts of every source.

use super::*;
use crate::catalog::{CatalogHost, Inertness, Layer, survey};
use sandboxer_types::{ErrorKind, Failure};

fn host<'c>(catalog: &'c Catalog, id: &str) -> Result<&'c CatalogHost, Miss> {
    catalog.host(&id.parse().expect("a host's id"))
}

#[test]
fn this_machine_always_exists_and_may_be_described() {
    let catalog = load(&[]);
    let local = host(&catalog, "localhost").expect("always there");
    assert_eq!((local.origin.layer, local.host.destination()), (Layer::BuiltIn, None));
    let directory = Directory::with(&[("hosts.yaml", "hosts: [{id: localhost, slots: 3}]\n")]);
    let catalog = directory.given();
    let local = host(&catalog, "localhost").expect("described");
    assert_eq!((local.host.slots, local.host.destination()), (Some(3), None));
    assert_eq!(local.shadows.len(), 1);
    assert_eq!(catalog.check(), [], "a file of hosts is enough for a catalog");
}

#[test]
fn later_sources_replace_and_a_broken_host_hides_a_sound_one() {
    let config = Directory::with(&[("hosts.yaml", "hosts:\n  - id: a\n    ssh: first\n  - id: b\n  - id: c\n")]);
    let given = Directory::with(&[(
        "hosts.yaml",
        "hosts:\n  - id: a\n    ssh: second\n  - id: b\n    slots: none\n  - id: d\n  - id: d\n  - slots: 1\n",
    )]);
    let catalog =
        load(&[CatalogSource::Config(config.path().to_owned()), CatalogSource::Given(given.path().to_owned())]);
    let a = host(&catalog, "a").expect("sound");
    assert_eq!(a.host.destination().expect("has one").host(), "second");
    assert_eq!((a.origin.layer, a.shadows.len()), (Layer::Given, 1));
    host(&catalog, "c").expect("another file's faults do not reach it");
    for broken in ["b", "d"] {
        assert!(
            matches!(host(&catalog, broken), Err(Miss::Broken { ref faults, .. }) if faults.len() == 1),
            "{broken}"
        );
    }
    assert_eq!(catalog.check().len(), 3, "the host without an id as well");
    let failure = Failure::from(host(&catalog, "b").expect_err("broken"));
    assert_eq!(
        (failure.kind, failure.hint.as_deref()),
        (ErrorKind::InvalidInput, Some("`sandboxer host check b` shows the lines"))
    );
}

#[test]
fn the_hosts_of_the_working_directory_are_inert_until_trusted_and_when_changed() {
    let directory =
        Directory::with(&[("hosts.yaml", "hosts: [{id: build-1, ssh: me@example.org}, {id: bad, x: 1}]\n")]);
    let inertness = |catalog: &Catalog| match host(catalog, "build-1") {
        Ok(_) => None,
        Err(Miss::Untrusted { inertness, .. }) => Some(inertness),
        Err(other) => panic!("{other}"),
    };
    let catalog = directory.worked_in(&TrustBook::default());
    assert_eq!(inertness(&catalog), Some(Inertness::NotTrusted));
    assert_eq!(catalog.check(), [], "what is inert has no faults");
    host(&catalog, "localhost").expect("the built-in holds");
    let mut book = TrustBook::default();
    book.trust(&survey(directory.path()).expect("surveys")).expect("trusts");
    assert_eq!(inertness(&directory.worked_in(&book)), None);
    directory.write("hosts.yaml", "hosts: [{id: build-1, ssh: me@evil.example.org}]\n");
    assert_eq!(inertness(&directory.worked_in(&book)), Some(Inertness::Changed));
}

#[test]
fn a_file_of_hosts_that_cannot_be_read_is_told_and_disables_nothing() {
    let directory = Directory::with(&[("profiles/profile.mine.yaml", "id: profile.mine\nextension: ext.local\n")]);
    directory.write("hosts.yaml", b"hosts: \xff");
    let catalog = directory.given();
    assert_eq!(catalog.check().len(), 1);
    profile(&catalog, "profile.mine").expect("sound");
    std::fs::remove_file(directory.join("hosts.yaml")).expect("removes");
    std::os::unix::fs::symlink("nowhere", directory.join("hosts.yaml")).expect("links");
    assert_eq!(directory.given().check().len(), 1, "a link that leads nowhere is not the same as no file");
}

#[test]
fn unknown_hosts_are_told_what_was_meant() {
    let directory = Directory::with(&[("hosts.yaml", "hosts: [{id: build-1}]\n")]);
    let catalog = directory.given();
    let miss = host(&catalog, "biuld-1").expect_err("unknown");
    assert!(matches!(&miss, Miss::Unknown { nearest: Some(nearest), .. } if nearest == "build-1"));
    let failure = Failure::from(host(&catalog, "elsewhere").expect_err("unknown"));
    assert_eq!(failure.kind, ErrorKind::NotFound);
    assert_eq!(failure.hint.as_deref(), Some("`sandboxer host ls` lists what there is"));
}
