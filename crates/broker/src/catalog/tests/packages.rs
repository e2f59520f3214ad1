//! Packages as sources: what they come before and after, and that they are trusted whole.

use super::{COMPILED_IN, Directory, EXEC_MANIFEST, HANDLERS, extension, profile};
use crate::catalog::{Catalog, CatalogSource, Inertness, Layer, Miss, TrustBook, survey_package};
use std::os::unix::fs::symlink;

const PROFILE: &str = "id: profile.shell\nextension: ext.shell\n";

fn package() -> Directory {
    let directory = Directory::with(&[
        ("version/extensions/ext.shell.yaml", EXEC_MANIFEST),
        ("version/profiles/profile.shell.yaml", PROFILE),
        ("version/hosts.yaml", "hosts: [{id: far, ssh: far.example.org}]\n"),
        ("version/README.md", "words\n"),
    ]);
    directory.write_program("version/extensions/run.sh", "#!/bin/sh\n");
    symlink("version", directory.join("shell")).expect("links");
    directory
}

fn load(directory: &Directory, trust: &TrustBook, more: &[CatalogSource]) -> Catalog {
    let package = CatalogSource::Package { name: "shell".to_owned(), folder: directory.join("shell") };
    let sources = [&[CatalogSource::BuiltIn(COMPILED_IN), package], more].concat();
    Catalog::load(&sources, trust, HANDLERS)
}

fn trusted(directory: &Directory) -> TrustBook {
    let mut book = TrustBook::default();
    let survey = survey_package(&directory.join("shell")).expect("surveys");
    assert_eq!(survey.files.len(), 5, "every file: {:?}", survey.files);
    book.trust(&survey).expect("trusts");
    assert!(book.covers(&survey));
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
fn what_a_user_writes_stands_above_a_package() {
    let directory = package();
    let own = Directory::with(&[("profiles/profile.shell.yaml", "id: profile.shell\nextension: ext.local\n")]);
    let catalog = load(&directory, &trusted(&directory), &[CatalogSource::Config(own.path().to_owned())]);
    let found = extension(&catalog, "ext.shell").expect("sound");
    assert_eq!((found.origin.layer, found.origin.to_string().as_str()), (Layer::Package, "package shell"));
    assert!(found.origin.file.contains("/shell/extensions/"), "named where the link is: {}", found.origin.file);
    let folder = found.origin.folder.as_ref().expect("it has one");
    assert!(folder.ends_with("version/extensions"), "read where it leads: {}", folder.display());
    let found = profile(&catalog, "profile.shell").expect("sound");
    assert_eq!((found.origin.layer, found.shadows[0].layer), (Layer::Config, Layer::Package));
    catalog.host(&"far".parse().expect("an id")).expect("sound");
}

#[test]
fn a_package_is_inert_as_a_whole() {
    let directory = package();
    let ids = |catalog: &Catalog| {
        [
            inertness(extension(catalog, "ext.shell")),
            inertness(profile(catalog, "profile.shell")),
            inertness(catalog.host(&"far".parse().expect("an id"))),
        ]
    };
    let untrusted = load(&directory, &TrustBook::default(), &[]);
    assert_eq!(ids(&untrusted), [const { Some(Inertness::NotTrusted) }; 3]);
    let book = trusted(&directory);
    assert_eq!(ids(&load(&directory, &book, &[])), [None, None, None]);
    for file in ["README.md", "lib/new.py", "profiles/profile.new.yaml"] {
        let before = std::fs::read(directory.join("version").join(file)).ok();
        directory.write(&format!("version/{file}"), "id: changed\n");
        let changed = Some(Inertness::PackageChanged { file: file.to_owned() });
        assert_eq!(ids(&load(&directory, &book, &[])), [changed.clone(), changed.clone(), changed], "{file}");
        match before {
            Some(before) => directory.write(&format!("version/{file}"), before),
            None => std::fs::remove_file(directory.join("version").join(file)).expect("removes"),
        }
    }
    assert_eq!(ids(&load(&directory, &book, &[])), [None, None, None]);
    std::fs::remove_file(directory.join("version/README.md")).expect("removes");
    let gone = Some(Inertness::PackageChanged { file: "README.md".to_owned() });
    assert_eq!(inertness(extension(&load(&directory, &book, &[]), "ext.shell")), gone);
}

#[test]
fn a_link_that_leads_nowhere_is_a_fault_that_disables_nothing_else() {
    let directory = package();
    std::fs::rename(directory.join("version"), directory.join("elsewhere")).expect("renames");
    let catalog = load(&directory, &TrustBook::default(), &[]);
    assert_eq!(catalog.faults().len(), 1);
    profile(&catalog, "profile.local").expect("the built-ins hold");
}
