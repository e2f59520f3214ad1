//! Sources, precedence, handlers, and how profiles fit their extensions.

use super::*;
use crate::catalog::{Inertness, Layer, Listing, ResolvedHandler};
use proptest::prelude::*;
use sandboxer_types::{ErrorKind, Failure};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn what_is_compiled_in_is_without_fault() {
    let catalog = load(&[CatalogSource::BuiltIn(COMPILED_IN), CatalogSource::BuiltIn(ALSO_COMPILED_IN)]);
    assert_eq!(catalog.check(), []);
    for id in ["profile.local", "profile.local-net"] {
        let profile = profile(&catalog, id).expect("compiled in");
        assert_eq!(profile.extensions, ["ext.local".parse().expect("an id")]);
        assert_eq!(profile.origin.to_string(), "built in");
    }
    let local = extension(&catalog, "ext.local").expect("compiled in");
    assert_eq!(local.resolved, ResolvedHandler::Builtin("local".to_owned()));
}

#[test]
fn the_files_of_this_repository_are_the_ones_compiled_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let catalog = load(&[CatalogSource::Given(root)]);
    assert_eq!(catalog.check(), []);
    assert_eq!(catalog.extensions().len() + catalog.profiles().len(), COMPILED_IN.len() + ALSO_COMPILED_IN.len());
}

#[test]
fn the_guides_manifest_and_a_profile_for_it_load_unchanged() {
    let directory = Directory::with(&[
        ("extensions/ext.my-backend.yaml", GUIDE_MANIFEST),
        ("profiles/profile.mine.yaml", "id: profile.mine\nextension: ext.my-backend\n"),
    ]);
    let catalog = directory.given();
    assert_eq!(catalog.check(), []);
    profile(&catalog, "profile.mine").expect("loads");
    let away = extension(&catalog, "ext.my-backend").expect("loads");
    assert!(matches!(&away.resolved, ResolvedHandler::Python { file: None, .. }), "{}", away.why);
    directory.write("extensions/my_backend.py", "");
    let catalog = directory.given();
    let beside = extension(&catalog, "ext.my-backend").expect("loads");
    assert!(
        matches!(&beside.resolved, ResolvedHandler::Python { file: Some(file), .. } if file.ends_with("my_backend.py")),
        "{}",
        beside.why
    );
}

#[test]
fn one_bad_file_disables_nothing_else() {
    let directory = Directory::with(&[
        ("extensions/ext.my-backend.yaml", GUIDE_MANIFEST),
        ("extensions/ext.bad.yaml", "id: ext.bad\n"),
        ("extensions/ext.binary.yaml", "\u{0}\u{1}"),
        ("extensions/ext.short.yml", GUIDE_MANIFEST),
        ("extensions/README.md", "not ours"),
        ("extensions/compose.yaml", "not: ours"),
        ("profiles/profile.good.yaml", "id: profile.good\nextension: ext.my-backend\n"),
        ("profiles/profile.lost.yaml", "id: profile.lost\nextension: ext.my-backen\n"),
        ("profiles/profile.of-bad.yaml", "id: profile.of-bad\nextension: ext.bad\n"),
        ("profiles/profile.$(id).yaml", "id: profile.x\nextension: ext.my-backend\n"),
    ]);
    directory.write("profiles/profile.bytes.yaml", b"id: profile.bytes\ntitle: \xff\xfe\n");
    directory.write("profiles/profile.huge.yaml", vec![b'#'; 2 * 1024 * 1024]);
    std::fs::create_dir_all(directory.join("profiles/profile.folder.yaml")).expect("creates");
    rustix::fs::mkfifoat(rustix::fs::CWD, directory.join("profiles/profile.pipe.yaml"), 0o600.into()).expect("makes");
    std::os::unix::fs::symlink("/dev/zero", directory.join("profiles/profile.zero.yaml")).expect("links");
    std::os::unix::fs::symlink("nowhere", directory.join("profiles/profile.dangling.yaml")).expect("links");
    let catalog = directory.given();
    profile(&catalog, "profile.good").expect("is not disabled");
    profile(&catalog, "profile.local").expect("is not disabled");
    insta::assert_snapshot!(directory.printed(&catalog.check()));
}

#[test]
fn a_directory_that_was_given_must_hold_something() {
    let directory = Directory::new();
    let gone = directory.join("gone");
    let catalog = load(&[CatalogSource::Given(gone), CatalogSource::Given(directory.path().to_owned())]);
    insta::assert_snapshot!(directory.printed(&catalog.check()), @r"
    [dir]/gone: no such directory

    [dir]: none of `extensions/`, `profiles/` and `hosts.yaml` is in it
    ");
    let quiet = load(&[CatalogSource::Config(directory.join("gone"))]);
    assert_eq!(quiet.check(), []);
}

#[test]
fn later_sources_replace_earlier_ones_even_when_they_are_broken() {
    let first = Directory::with(&[("profiles/profile.local.yaml", "id: profile.local\nextension: ext.local\n")]);
    let second =
        Directory::with(&[("profiles/profile.local.yaml", "id: profile.local\nextension: ext.local\nnetwork: hots\n")]);
    let mut sources = vec![CatalogSource::BuiltIn(COMPILED_IN), CatalogSource::Config(first.path().to_owned())];
    let catalog = load(&sources);
    let found = profile(&catalog, "profile.local").expect("loads");
    assert_eq!((found.origin.layer, found.shadows.len()), (Layer::Config, 1));
    assert_eq!(found.shadows[0].layer, Layer::BuiltIn);
    sources.push(CatalogSource::Given(second.path().to_owned()));
    let catalog = load(&sources);
    assert_eq!(faults(profile(&catalog, "profile.local"))[0].nearest.as_deref(), Some("host"));
}

#[test]
fn over_a_built_in_only_taste_and_place_are_set() {
    let manifest = |handler: &str| {
        format!(
            "id: ext.local\ntitle: Ours\nhandler: {handler}\nconfig: {{root: /srv}}\ntimeouts: {{provision: 5m}}\n\
             capabilities: {{isolation_levels: [vm], pricing_model: metered}}\n"
        )
    };
    let directory = Directory::with(&[("extensions/ext.local.yaml", &manifest("builtin:local"))]);
    let catalog = directory.given();
    let local = extension(&catalog, "ext.local").expect("loads");
    assert_eq!(local.manifest.title, "Ours");
    assert_eq!(local.manifest.config["root"], json!("/srv"));
    assert_eq!(local.manifest.timeouts.provision.map(|span| span.to_string()), Some("5m".to_owned()));
    assert_eq!(local.manifest.capabilities.isolation_levels[0].as_str(), "container", "what the code can do stays");
    assert!(local.manifest.inputs_schema.is_some());
    assert_eq!(local.shadows.len(), 1);

    directory.write("extensions/ext.local.yaml", manifest("python:evil:Local"));
    let catalog = directory.given();
    insta::assert_snapshot!(directory.printed(&faults(extension(&catalog, "ext.local"))), @r"
    [dir]/extensions/ext.local.yaml:3:10: `ext.local` is built in, and this handler is not the built-in's
      |
    3 | handler: python:evil:Local
      |          ^^^^^^^^^^^^^^^^^
      = hint: give the extension an id of its own, or the handler `builtin:local`
    ");
}

#[test]
fn handlers_resolve_and_say_why() {
    let directory = Directory::new();
    directory.write_program("extensions/run.sh", "#!/bin/sh\n");
    directory.write("extensions/plain.sh", "#!/bin/sh\n");
    directory.write("extensions/tools/backend.py", "");
    std::os::unix::fs::symlink("/bin/sh", directory.join("extensions/out.sh")).expect("links");
    let handlers = [
        ("ext.vm-packer", "sandboxer.extensions.vm_packer:VMPackerExtension"),
        ("ext.vm-lab", "sandboxer.extensions.vm_packer:VMPackerExtension"),
        ("ext.vm-two", "builtin:vm-packer"),
        ("ext.a", "exec:run.sh"),
        ("ext.b", "exec:./plain.sh"),
        ("ext.c", "exec:out.sh"),
        ("ext.d", "exec:tools"),
        ("ext.e", "exec:gone.sh"),
        ("ext.f", "builtin:locl"),
        ("ext.g", "python:tools.backend:Backend"),
        ("ext.h", "tools.other:Backend"),
    ];
    for (id, handler) in handlers {
        let rest = "capabilities: {isolation_levels: [vm], pricing_model: free}";
        directory.write(&format!("extensions/{id}.yaml"), format!("id: {id}\ntitle: T\nhandler: {handler}\n{rest}\n"));
    }
    let report = |catalog: &Catalog| {
        let lines = handlers.map(|(id, handler)| match extension(catalog, id) {
            Ok(found) => format!("{id} {handler}\n  {:?}\n  {}", found.resolved, found.why),
            Err(miss) => format!("{id} {handler}\n{}", directory.printed(&faults::<()>(Err(miss)))),
        });
        lines.join("\n").replace(&directory.path().display().to_string(), "[dir]")
    };
    insta::assert_snapshot!(report(&directory.given()));
    directory.write("extensions/vm_packer.py", "");
    let catalog = directory.given();
    let own = extension(&catalog, "ext.vm-packer").expect("loads");
    assert!(
        matches!(own.resolved, ResolvedHandler::Python { file: Some(_), .. }),
        "an author's own module comes first"
    );
}

#[test]
fn a_profile_must_fit_its_extension() {
    let directory = Directory::with(&[
        (
            "profiles/profile.misfit.yaml",
            "id: profile.misfit\nextension: ext.local\nisolation: microvm\n\
             inputs:\n  allow: [repo, rpeo]\n  defaults: {bsae: host}\n",
        ),
        (
            "profiles/profile.deep.yaml",
            "id: profile.deep\nextension: ext.local\ninputs:\n  defaults:\n    base: hst\n    repo: 7\n\
             options:\n  disk_bound: tmpfs\n",
        ),
        ("profiles/profile.many.yaml", "id: profile.many\ncandidates: [ext.gone, ext.local]\nisolation: container\n"),
        ("profiles/profile.none.yaml", "id: profile.none\ncandidates:\n  - ext.gone\n  - ext.local\nisolation: vm\n"),
    ]);
    let catalog = directory.given();
    let many = profile(&catalog, "profile.many").expect("one candidate is enough");
    assert_eq!(catalog.suitable(many).len(), 1);
    for id in ["profile.misfit", "profile.deep", "profile.none"] {
        assert!(!faults(profile(&catalog, id)).is_empty(), "{id}");
    }
    insta::assert_snapshot!(directory.printed(&catalog.check()));
}

#[test]
fn schemas_configs_and_examples_are_checked_when_asked_for() {
    let directory = Directory::with(&[(
        "extensions/ext.deep.yaml",
        "id: ext.deep\ntitle: Deep\nhandler: python:deep:Deep\n\
         capabilities: {isolation_levels: [vm], pricing_model: free}\n\
         config:\n  vms:\n    lab: {port: many, colour: red}\n  regoin: eu\n\
         config_schema:\n  properties:\n    region: {type: string}\n    vms:\n      additionalProperties:\n        \
         properties: {port: {type: integer}}\n        additionalProperties: false\n  additionalProperties: false\n\
         inputs_schema: {properties: {vm: {type: string}, ssh_target: {type: string}}, \
         anyOf: [{required: [vm]}, {required: [ssh_target]}]}\n\
         options_schema: {type: objekt}\n\
         examples:\n  - inputs: {vm: lab}\n  - inputs: {}\n  - inputs: {vm: 7}\n",
    )]);
    let catalog = directory.given();
    assert_eq!(catalog.faults(), Vec::<&Fault>::new(), "loading builds no validators");
    insta::assert_snapshot!(directory.printed(&catalog.check()));
    assert_eq!(faults(extension(&catalog, "ext.deep")).len(), 3);
}

#[test]
fn a_schema_leads_nowhere_else() {
    for reference in ["http://127.0.0.1:9/schema.json", "file:///etc/passwd"] {
        let text = GUIDE_MANIFEST.to_owned() + &format!("inputs_schema: {{$ref: \"{reference}\"}}\n");
        let directory = Directory::with(&[("extensions/ext.my-backend.yaml", &text)]);
        let catalog = directory.given();
        let found = faults(extension(&catalog, "ext.my-backend"));
        assert!(found[0].message.contains("not a JSON Schema"), "{}", found[0]);
    }
}

#[test]
fn misses_become_failures_of_the_right_kind() {
    let directory = Directory::with(&[("profiles/profile.bad.yaml", "id: profile.bad\nextensoin: ext.local\n")]);
    let catalog = directory.given();
    let failure = |id: &str| Failure::from(profile(&catalog, id).expect_err("a miss"));
    let unknown = failure("profile.locl");
    assert_eq!((unknown.kind, unknown.hint.as_deref()), (ErrorKind::NotFound, Some("did you mean `profile.local`?")));
    assert!(!unknown.residue.may_exist());
    assert_eq!(failure("profile.house").hint.as_deref(), Some("`sandboxer profile ls` lists what there is"));
    let broken = failure("profile.bad");
    assert_eq!((broken.kind, broken.causes.len()), (ErrorKind::InvalidInput, 2));
    assert_eq!(broken.details["faults"][0]["line"], json!(1));
    insta::assert_snapshot!(
        format!("{broken}\n{}", broken.causes.join("\n")).replace(&directory.path().display().to_string(), "[dir]"),
        @r"
    the profile `profile.bad` ([dir]/profiles/profile.bad.yaml) has 2 faults
    [dir]/profiles/profile.bad.yaml:1:1: `extension` is missing
    [dir]/profiles/profile.bad.yaml:2:1: unknown key `extensoin`
    "
    );
    let untrusted = directory.worked_in(&TrustBook::default());
    let untrusted = profile(&untrusted, "profile.bad").expect_err("inert");
    assert!(matches!(untrusted, Miss::Untrusted { inertness: Inertness::NotTrusted, .. }));
    assert_eq!(Failure::from(untrusted).kind, ErrorKind::Precondition);
}

#[test]
fn listings_tell_sound_broken_and_inert_apart() {
    let directory = Directory::with(&[
        ("profiles/profile.bad.yaml", "id: profile.bad\n"),
        ("profiles/profile.local.yaml", "id: profile.local\nextension: ext.local\n"),
    ]);
    let words = |catalog: &Catalog| -> Vec<&'static str> {
        let listings = catalog.profiles();
        listings
            .iter()
            .map(|listing| match listing {
                Listing::Sound(_) => "sound",
                Listing::Broken { .. } => "broken",
                Listing::Inert { .. } => "inert",
            })
            .collect()
    };
    assert_eq!(words(&directory.given()), ["broken", "sound", "sound"]);
    assert_eq!(words(&directory.worked_in(&TrustBook::default())), ["sound", "sound", "inert", "inert"]);
}

#[test]
fn loading_what_is_compiled_in_is_quick() {
    let times: Vec<Duration> = (0..20)
        .map(|_| {
            let start = Instant::now();
            let catalog = load(&[CatalogSource::BuiltIn(COMPILED_IN)]);
            let time = start.elapsed();
            drop(catalog);
            time
        })
        .collect();
    let fastest = times.iter().min().expect("twenty");
    // Half a millisecond is the bound for the optimized binary; this one is not.
    assert!(*fastest < Duration::from_millis(5), "{fastest:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn hostile_names_and_texts_never_disable_the_built_ins(
        name in "(ext\\.|profile\\.)?[^/\\x00]{0,40}(\\.yaml|\\.yml)?",
        text in any::<String>(),
    ) {
        let directory = Directory::new();
        for folder in ["extensions", "profiles"] {
            std::fs::create_dir_all(directory.join(folder)).expect("creates");
            if !matches!(name.as_str(), "" | "." | "..") && name.len() < 200 {
                directory.write(&format!("{folder}/{name}"), &text);
            }
        }
        let catalog = directory.given();
        prop_assert!(profile(&catalog, "profile.local").is_ok());
        for fault in catalog.check() {
            prop_assert!(!fault.to_string().contains(|c: char| c.is_control() && c != '\n'), "{:?}", fault);
        }
    }
}
