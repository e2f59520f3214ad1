//! Hosts as they are listed and written down. What they are asked is in `ssh`.

use crate::support::{House, Transcript, Who};
use std::os::unix::fs::PermissionsExt;

#[test]
fn hosts_are_added_and_listed() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["host", "ls"]).succeeded();
    transcript.run(&[
        "host",
        "add",
        "build-1",
        "me@build-1.example.org:2222",
        "--slots",
        "4",
        "--label",
        "arch=x86_64",
    ]);
    transcript.run(&["host", "add", "my-alias", "--label", "team=the core: \"one\""]).succeeded();
    transcript.run(&["host", "add", "0123", "root@[2001:db8::1]:22", "--json"]).succeeded();
    transcript.run(&["host", "ls"]).succeeded();
    transcript.run(&["host", "ls", "--json"]).succeeded();
    let file = house.path("config/sandboxer/hosts.yaml");
    transcript.note(&std::fs::read_to_string(&file).expect("written").replace('\n', "\n# "));
    assert_eq!(std::fs::metadata(&file).expect("written").permissions().mode() & 0o777, 0o600);
    transcript.run(&["host", "add", "build-1", "elsewhere"]).ended_with(7);
    transcript.run(&["host", "add", "localhost"]).ended_with(4);
    transcript.run(&["host", "add", "a", "--label", "sandboxer.x=1"]).ended_with(4);
    for destination in ["-oProxyCommand=id", "me@-oProxyCommand=id", "a b", "$(id)", "http://a", "me:secret@a", "a:0"] {
        transcript.run(&["host", "add", "a", "--", destination]).ended_with(2);
    }
    transcript.run(&["host", "add", "-a"]).ended_with(2);
    transcript.run(&["host", "add", "a", "b", "--slots", "0"]).ended_with(2);
    assert_eq!(
        std::fs::read_dir(house.path("config/sandboxer")).expect("made").count(),
        1,
        "nothing else is left there"
    );
    transcript.matches("hosts");
}

#[test]
fn hosts_of_files_are_listed_with_what_is_wrong_with_them() {
    let house = House::new(Who::Caller);
    house.write(
        "hosts.yaml",
        "hosts:\n  - id: theirs\n    ssh: me@theirs.example.org\n  - id: localhost\n    slots: 9\n",
    );
    house.write(
        "catalog/hosts.yaml",
        "hosts:\n  - id: localhost\n    labels: {rack: 7}\n  - id: broken\n    shs: x\n  - id: sound\n  - slots: 1\n",
    );
    let mut transcript = Transcript::new(&house);
    transcript.run(&["host", "ls", "--catalog", "catalog"]).succeeded();
    transcript.run(&["ext", "check", "--catalog", "catalog"]).ended_with(4);
    transcript.run(&["trust", "--dry-run"]).succeeded();
    transcript.run(&["host", "ls"]).succeeded();
    transcript.run(&["trust", "."]).succeeded();
    transcript.run(&["host", "ls"]).succeeded();
    transcript.run(&["host", "add", "theirs"]).ended_with(7);
    transcript.note("the file changes");
    house.write("hosts.yaml", "hosts:\n  - id: theirs\n    ssh: me@evil.example.org\n");
    transcript.run(&["host", "ls", "--json"]).succeeded();
    transcript.matches("hosts-of-files");
}
