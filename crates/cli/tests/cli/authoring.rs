//! `ext new` and `ext docs`: what an author begins with, and the page about what came of it.

#![allow(clippy::disallowed_methods, reason = "cargo and its tools are found as they are by who runs the tests")]

use crate::support::{House, Outcome, Running, Transcript, Who};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// A place where `sandboxer` is on the path, for extensions that start it.
struct Author {
    house: House,
}

impl Author {
    fn new() -> Self {
        let house = House::new(Who::Caller);
        std::fs::create_dir(house.path("programs")).expect("ours");
        let program = house.path("programs/sandboxer");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sandboxer"), program).expect("ours");
        Self { house }
    }

    /// A new project in that language, called `tried`.
    fn begun(language: &str, more: &[&str]) -> Self {
        let author = Self::new();
        author.house.run(&[&["ext", "new", "tried", "--lang", language], more].concat()).succeeded();
        author
    }

    fn project(&self) -> PathBuf {
        self.house.work().join("tried")
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.house.program_command(program);
        let path = std::env::var_os("PATH").expect("a path");
        let own = std::iter::once(self.house.path("programs")).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(own).expect("no colon")).current_dir(self.project());
        command
    }

    /// `sandboxer` with the project for a catalog.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command("sandboxer");
        command.args(["--catalog", "."]).args(arguments);
        self.house.noted(Running::start(command, None).finish())
    }

    /// A sandbox of the project, from its beginning to its end.
    #[track_caller]
    fn goes_all_the_way(&self) {
        assert_eq!(self.run(&["ext", "check"]).succeeded().text(), "no faults\n");
        let created = self.run(&["create", "tried", "--name", "one", "-i", "note=ä", "-i", "size=2"]).succeeded();
        let said = self.run(&["exec", "one", "--", "sh", "-c", "echo hello > greeting; cat greeting"]);
        assert_eq!(said.succeeded().text(), "hello\n");
        assert_eq!(self.boxes(), [created.text().trim()]);
        self.run(&["rm", "one"]).succeeded();
        assert_eq!(self.boxes(), [""; 0]);
        let refused = self.run(&["create", "tried", "-i", "size=9"]).ended_with(4);
        assert!(refused.stderr.contains("size"), "{}", refused.stderr);
    }

    fn boxes(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.project().join("boxes")).expect("a folder");
        let names = entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
        names.filter(|name| name != ".backend").collect()
    }
}

#[track_caller]
fn succeeds(command: Command) {
    Running::start(command, None).finish().succeeded();
}

/// The same of what takes its time where nothing of it was built before.
#[track_caller]
fn builds(mut command: Command) {
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

/// Below the build folder, so that what it depends on is built once.
fn target() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the build folder");
    folder.join("authoring")
}

#[test]
fn a_new_extension_in_python_works() {
    let author = Author::begun("python", &[]);
    author.goes_all_the_way();
    let mut tests = author.command("python3");
    tests.args(["-m", "unittest", "discover", "tests"]).env("PYTHONPATH", repository().join("python/src"));
    succeeds(tests);
}

#[test]
fn a_new_extension_in_shell_works() {
    let author = Author::begun("sh", &[]);
    author.goes_all_the_way();
    succeeds(author.command(author.project().join("tests/run.sh")));
}

#[test]
fn a_new_extension_in_rust_works() {
    let root = repository();
    let author = Author::begun("rust", &["--sdk", root.to_str().expect("a plain path")]);
    // The versions that this repository is tested with: nothing is fetched.
    std::fs::copy(root.join("Cargo.lock"), author.project().join("Cargo.lock")).expect("ours");
    let cargo = |arguments: &[&str]| {
        let mut command = author.command(env!("CARGO"));
        for name in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let home = std::env::var_os("HOME").expect("a home");
        command.args(arguments).args(["--offline", "--quiet"]).env("CARGO_TARGET_DIR", target()).env("HOME", home);
        command
    };
    builds(cargo(&["build"]));
    let program = author.project().join("extensions/tried-extension");
    std::fs::copy(target().join("debug/tried-extension"), program).expect("it was built");
    author.goes_all_the_way();
    builds(cargo(&["test"]));
}

#[test]
fn a_new_extension_has_its_files_and_says_what_comes_next() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["ext", "new", "tried"]).succeeded();
    transcript.run(&["ext", "new", "tried-sh", "--lang", "sh", "--out", "elsewhere"]).succeeded();
    transcript.run(&["--json", "ext", "new", "ext.tried-rust", "--lang", "rust"]).succeeded();
    transcript.matches("authoring_new");

    let manifest = std::fs::read_to_string(house.work().join("tried-rust/Cargo.toml")).expect("made");
    assert!(manifest.contains(concat!("tag = \"v", env!("CARGO_PKG_VERSION"), "\"")), "{manifest}");
    for project in ["tried", "elsewhere", "tried-rust"] {
        for (name, text) in contents(&house.work().join(project)) {
            for left in ["my-backend", "my_backend", "MyBackend", "My Backend", "@tag@", "@sdk@", "@repository@"] {
                // The schemas have it as an example.
                assert!(name.starts_with("schemas/") || !text.contains(left), "{project}/{name}: {left}");
            }
        }
    }
}

/// The texts of all files below a folder.
fn contents(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").to_string_lossy().into_owned();
                found.insert(name, std::fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    found
}

#[test]
fn names_that_will_not_do_are_refused_and_nothing_is_touched() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    let long = "a".repeat(61);
    for name in ["", "My", "a_b", "-a", "a-", "1st", "../a", "a/b", "a b", "ext.", "ext.ext.a", "ä", &long] {
        transcript.run(&["ext", "new", "--", name]).ended_with(4);
    }
    transcript.run(&["ext", "new", "local"]).ended_with(7);
    transcript.run(&["ext", "new", "tried", "--lang", "perl"]).ended_with(2);
    transcript.run(&["ext", "new", "tried", "--sdk", "."]).ended_with(4);
    transcript.run(&["ext", "new", "tried", "--lang", "rust", "--sdk", "."]).ended_with(4);
    transcript.run(&["ext", "new", "tried", "--out", "no/such/folder"]).ended_with(3);
    assert_eq!(contents(&house.work()), BTreeMap::new());

    house.write("tried/mine", "precious");
    house.write("file", "precious, too");
    let before = contents(&house.work());
    transcript.run(&["ext", "new", "tried"]).ended_with(7);
    transcript.run(&["ext", "new", "tried", "--out", "file"]).ended_with(7);
    assert_eq!(contents(&house.work()), before);
    transcript.matches("authoring_refused");
}

/// The page that is the law for authors in any language shows the very extension that `ext new` writes.
#[test]
fn the_extension_in_shell_of_the_protocols_page_is_the_one_that_is_written() {
    let author = Author::new();
    author.house.run(&["ext", "new", "scratch", "--lang", "sh"]).succeeded();
    let page = std::fs::read_to_string(repository().join("docs/extension-protocol.md")).expect("the page");
    let script = std::fs::read_to_string(author.house.work().join("scratch/extensions/scratch.sh")).expect("made");
    assert!(page.contains(&format!("```sh\n{script}```\n")), "mend one of them:\n{script}");
}

#[test]
fn the_pages_of_built_in_extensions() {
    let house = House::new(Who::Caller);
    for name in ["local", "compose-ssh"] {
        let mut transcript = Transcript::new(&house);
        transcript.run(&["ext", "docs", name]).succeeded();
        transcript.matches(&format!("authoring_docs_{}", name.replace('-', "_")));
    }
}

#[test]
fn the_page_of_a_manifest_with_everything() {
    let house = House::new(Who::Caller);
    house.write("more/extensions/ext.more.yaml", MORE);
    house.write(
        "more/profiles/profile.one.yaml",
        "id: profile.one\nextension: ext.more\ninputs: {defaults: {size: 2}}\n",
    );
    house.write("more/profiles/profile.two.yaml", "id: profile.two\nextension: ext.local\n");
    let mut transcript = Transcript::new(&house);
    transcript.run(&["--catalog", "more", "ext", "docs", "more"]).succeeded();
    transcript.run(&["--catalog", "more", "ext", "docs", "more", "--out", "page.md"]).succeeded();
    transcript.run(&["ext", "docs", "nothing"]).ended_with(3);
    transcript.run(&["ext", "docs", "local", "--out", "no/such/page.md"]).ended_with(3);
    transcript.matches("authoring_docs_everything");

    let printed = house.run(&["--catalog", "more", "ext", "docs", "more"]).succeeded().text();
    assert_eq!(std::fs::read_to_string(house.work().join("page.md")).expect("written"), printed);
    let data = house.run(&["--catalog", "more", "--json", "ext", "docs", "more"]).succeeded().json();
    assert_eq!(data["markdown"], printed);
}

const MORE: &str = r#"id: ext.more
title: Everything | <b>and more</b>
version: 0.3.1
handler: python:more:More
capabilities:
  isolation_levels: [container, x-own]
  pricing_model: metered
  verbs: [list, snapshot, restore, list_snapshots, delete_snapshot]
  features: [labels, checkpoint]
  snapshot: {kinds: [filesystem]}
concurrency: 4
config: {region: eu}
config_schema: {type: object, required: [region], properties: {region: {enum: [eu, us], description: Where it is}}}
inputs_schema:
  type: object
  required: [repo]
  properties:
    repo: {type: string, description: "What to begin with: `a|b`"}
    size: {type: integer, minimum: 1, maximum: 8, default: 1}
    disks: {type: array, items: {type: object, required: [path], properties: {path: {type: string}}}}
    machine: {$ref: '#/$defs/machine'}
  $defs: {machine: {anyOf: [{type: string}, {type: object, additionalProperties: {type: number, minimum: 0}}]}}
options_schema: {type: object, additionalProperties: false}
secrets: {api_key: {required: true, verbs: [provision, teardown]}, other: {}}
timeouts: {provision: 30m}
env: {pass: [SSH_AUTH_SOCK]}
python: {interpreter: python3.12, requirements: ["requests>=2"]}
examples:
  - {inputs: {repo: "https://example.org/app.git"}}
  - {inputs: {repo: "it's", size: 2, machine: {"no": 1.5}, disks: [{path: /data}]}}
"#;
