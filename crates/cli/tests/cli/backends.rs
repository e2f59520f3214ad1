//! Backends that are programs of their own: a shell script that makes nothing but a note, and shows the way to an agent.

use crate::support::{House, Running, Who, until};
use std::os::unix::fs::PermissionsExt;

const MANIFEST: &str = "id: ext.note-book
title: Notes of what there would be
handler: exec:run.sh
lifecycle: oneshot
concurrency: 4
capabilities:
  isolation_levels: [none]
  pricing_model: free
  verbs: [connect]
secrets:
  api-key: {required: true, verbs: [provision, teardown]}
";

const PROFILE: &str = "id: profile.note
extension: ext.note-book
ttl: {default: 10m, max: 1h}
";

/// `PLACE` is a folder of the test's, `PROGRAM` is `sandboxer`.
const SCRIPT: &str = r#"#!/bin/sh
read -r line
value() { printf '%s' "$line" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
id=$(value sandbox_id)
answer() { printf '{"jsonrpc":"2.0","id":"%s","result":%s}\n' "$(value call)" "$1"; }
case $(value method) in
provision)
    value api-key >"PLACE/key"
    if [ -e PLACE/gate ]; then echo >"PLACE/waits"; read -r word <PLACE/gate; fi
    touch "PLACE/note-$id"
    answer '{"handle":{"sandbox_id":"'$id'","host":"localhost"}}' ;;
wait_ready) answer '{"reachability":{"remote_dir":"/"}}' ;;
connect) answer '{"argv":["PROGRAM","agent","--stdio"]}' ;;
teardown)
    rm -f "PLACE/note-$id"
    answer '{"report":{"removed":["the note"],"already_absent":[],"retained":[],"errors":[],"complete":true}}' ;;
esac
"#;

fn house() -> House {
    let house = House::new(Who::Caller);
    house.write("catalog/extensions/ext.note-book.yaml", MANIFEST);
    house.write("catalog/profiles/profile.note.yaml", PROFILE);
    let place = house.path("home");
    let script = SCRIPT.replace("PLACE", place.to_str().expect("a plain path"));
    let script = script.replace("PROGRAM", env!("CARGO_BIN_EXE_sandboxer"));
    let path = house.write("catalog/extensions/run.sh", script);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("ours");
    house
}

fn arguments<'a>(typed: &[&'a str]) -> Vec<&'a str> {
    [&["--catalog", "catalog"], typed].concat()
}

fn run(house: &House, typed: &[&str]) -> crate::support::Outcome {
    house.run(&arguments(typed))
}

fn key_file(house: &House, key: &str, mode: u32) {
    let path = house.path("config").join("sandboxer/secrets/ext.note-book/api-key");
    std::fs::create_dir_all(path.parent().expect("below the folder")).expect("ours");
    std::fs::write(&path, key).expect("ours");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
}

/// The key that `provision` was handed.
fn handed(house: &House) -> String {
    std::fs::read_to_string(house.path("home").join("key")).expect("it was asked")
}

fn notes(house: &House) -> usize {
    let names = std::fs::read_dir(house.path("home")).expect("ours").flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().starts_with("note-")).count()
}

#[test]
fn commands_go_the_way_that_it_shows() {
    let house = house();
    key_file(&house, "canary-1\n", 0o600);
    run(&house, &["create", "note", "--name", "box"]).succeeded();
    let shown = run(&house, &["show", "box"]).succeeded().text();
    assert!(!shown.contains("no_session") && !shown.contains("canary"), "{shown}");
    for word in ["one", "two"] {
        assert_eq!(run(&house, &["exec", "box", "--", "echo", word]).succeeded().text(), format!("{word}\n"));
    }
    run(&house, &["exec", "box", "--", "sh", "-c", "exit 7"]).ended_with(7);
    run(&house, &["rm", "box"]).succeeded();
    assert_eq!(notes(&house), 0);
}

#[test]
fn a_secret_comes_from_the_environment_or_a_file_of_ones_own() {
    let house = house();
    let refused = run(&house, &["create", "note"]).ended_with(6);
    for wanted in ["`api-key`", "SANDBOXER_SECRET_NOTE_BOOK_API_KEY", "secrets/ext.note-book/api-key"] {
        assert!(refused.stderr.contains(wanted), "{refused:?}");
    }
    assert!(run(&house, &["ls", "--all"]).succeeded().text().is_empty(), "nothing was written");

    key_file(&house, "canary-2\n", 0o644);
    let refused = run(&house, &["create", "note"]).ended_with(4);
    assert!(refused.stderr.contains("chmod 600") && !refused.stderr.contains("canary"), "{refused:?}");

    key_file(&house, "canary-2\n", 0o600);
    run(&house, &["create", "note", "--name", "one"]).succeeded();
    assert_eq!(handed(&house), "canary-2");
    let mut command = house.command(&arguments(&["create", "note", "--name", "two"]));
    command.env("SANDBOXER_SECRET_NOTE_BOOK_API_KEY", "canary-3");
    house.noted(Running::start(command, None).finish()).succeeded();
    assert_eq!(handed(&house), "canary-3");

    std::fs::remove_dir_all(house.path("config").join("sandboxer/secrets")).expect("ours");
    let owed = run(&house, &["rm", "one"]).ended_with(8);
    assert!(owed.stderr.contains("`api-key`") && owed.stderr.contains("SANDBOXER_SECRET_NOTE_BOOK"), "{owed:?}");
    key_file(&house, "canary-2\n", 0o600);
    run(&house, &["rm", "one", "two"]).succeeded();
    assert!(!run(&house, &["events", "--json"]).succeeded().text().contains("canary"));
}

/// Whether the program of the extension runs.
fn runs(house: &House) -> bool {
    house.leftovers().processes.iter().any(|process| process.command.contains("run.sh"))
}

#[test]
fn what_a_killed_command_has_left_running_is_never_finished() {
    let house = house();
    key_file(&house, "canary-4\n", 0o600);
    let gate = house.path("home").join("gate");
    rustix::fs::mknodat(rustix::fs::CWD, &gate, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("ours");
    let create = house.start(&arguments(&["create", "note", "--name", "box"]));
    let waits = house.path("home").join("waits");
    until("the program waits", || waits.exists().then_some(()));
    create.signal(rustix::process::Signal::KILL);
    create.finish();

    let listed = run(&house, &["ls"]).succeeded().text();
    assert!(listed.contains("abandoned"), "{listed}");
    assert!(runs(&house), "it outlives whoever started it, and a look ends nothing");
    run(&house, &["reconcile"]).succeeded();
    assert!(!runs(&house), "it still waits to make its note");
    assert_eq!(notes(&house), 0);
    assert!(run(&house, &["ls"]).succeeded().text().is_empty());
    let locks = std::fs::read_dir(house.state().join("processes")).expect("there").count();
    assert_eq!(locks, 0, "who is buried is forgotten");
}

/// A catalog of one extension in Python with this source.
fn in_python(source: &str, python: &str) -> House {
    let house = House::new(Who::Caller);
    house.write("catalog/extensions/tried.py", source);
    let manifest = format!(
        "id: ext.tried\ntitle: Tried\nhandler: python:tried:Tried\n{python}capabilities: {{isolation_levels: [none], pricing_model: free}}\n"
    );
    house.write("catalog/extensions/ext.tried.yaml", manifest);
    house.write("catalog/profiles/profile.tried.yaml", "id: profile.tried\nextension: ext.tried\n");
    house
}

#[test]
fn what_takes_for_ever_to_load_is_given_up_with_the_caller() {
    let house = in_python("import time\nopen('loading', 'w').close()\ntime.sleep(1000)\n", "");
    let running = house.start(&arguments(&["create", "tried"]));
    let loading = house.work().join("catalog/extensions/loading");
    until("it is being loaded", || loading.exists().then_some(()));
    running.signal(rustix::process::Signal::INT);
    let outcome = running.finish().ended_with(1);
    assert_eq!(outcome.stderr, "error: cancelled before anything was made\n");
    let listed = run(&house, &["ls", "--all", "--json"]).succeeded().json();
    assert_eq!(listed["sandboxes"], serde_json::json!([]));
}

#[test]
fn an_interpreter_that_is_not_there_is_told_with_what_to_do() {
    let house = in_python("", "python: {interpreter: python-that-is-not-there}\n");
    let outcome = run(&house, &["create", "tried"]).ended_with(4);
    assert!(outcome.stderr.contains("`ext.tried` broke the rule `start`"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("hint: install Python 3.9 or newer"), "{}", outcome.stderr);
}

#[test]
fn a_draft_is_kept_while_something_is_made_and_passed_over_afterwards() {
    let source = "from sandboxer.extensions.base import SandboxExtension

class Tried(SandboxExtension):
    def provision(self, profile, inputs, host):
        for number in range(3):
            self.checkpoint({'number': number, 'blob': 'x' * 1000})
        return {}
    def wait_ready(self, handle):
        self.checkpoint({'late': True})
        return {'remote_dir': '/'}
    def teardown(self, handle):
        self.checkpoint({'later': True})
        return {'removed': ['it'], 'complete': True}
";
    let house = in_python(source, "");
    run(&house, &["create", "tried", "--name", "one"]).succeeded();
    let events = run(&house, &["--json", "events", "one"]).succeeded().text();
    assert_eq!(events.matches("checkpointed").count(), 3, "{events}");
    assert!(!events.contains("xxxx"), "a draft stands in the log: {events}");
    run(&house, &["rm", "one"]).succeeded();
}
