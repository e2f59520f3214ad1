//! What a person sees who does something wrong with sandboxes that are there. None of it harms them.

use crate::support::{House, Sandbox, Transcript, Who, words};

/// What was there is there, whatever was typed.
fn assert_both_live(house: &House) {
    let listed = house.run(&["ls", "--json"]).succeeded().json();
    let states: Vec<&str> =
        listed["sandboxes"].as_array().expect("a list").iter().filter_map(|one| one["state"].as_str()).collect();
    assert_eq!(states, ["ready", "ready"]);
}

#[test]
fn commands_that_cannot_run_or_are_ended() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["create", "local", "--name", "box"]).succeeded();
    for (script, status) in
        [("exit 0", 0), ("exit 7", 7), ("exit 125", 125), ("exit 255", 255), ("kill -9 $$", 137), ("kill $$", 143)]
    {
        transcript.run(&["exec", "box", "--", "sh", "-c", script]).ended_with(status);
    }
    for (typed, status) in [
        ("exec box -- no-such-command", 127),
        ("exec box -- /no/such/command", 127),
        ("exec box -- /etc/passwd", 126),
        ("exec box -- /etc", 126),
        ("exec -w /nowhere box -- true", 125),
        ("exec -w /etc/passwd box -- true", 125),
        ("exec -u nobody-of-this-name box -- true", 125),
        ("exec --timeout 200ms box -- sleep 1000", 125),
        ("exec -t -i box -- true", 125),
        ("run -- no-such-command", 127),
        ("run -- /etc/passwd", 126),
        ("run --out nothing-there -- true", 125),
        ("run --out / -- true", 125),
    ] {
        transcript.run(&words(typed)).ended_with(status);
    }
    transcript.run(&["rm", "box"]).succeeded();
    transcript.matches("commands-that-fail");
}

#[test]
fn names_and_ids_that_are_taken_gone_or_mean_too_much() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["create", "local", "--name", "one"]).succeeded();
    transcript.run(&["create", "local", "--name", "two"]).succeeded();
    transcript.run(&["create", "local", "--name", "three", "--id", "an-id-of-my-own-x7"]).succeeded();
    transcript.run(&["rm", "an-id"]).succeeded();
    for (typed, status) in [
        ("create local --name one", 7),
        ("create local --id an-id-of-my-own-x7", 7),
        ("show sbx0", 4),
        ("rm sbx0", 4),
        ("exec sbx0 -- true", 125),
        ("show an-id", 0),
        ("exec three -- true", 125),
        ("extend three 1h", 3),
        ("extend one 25h", 4),
        ("extend one 0s", 4),
        ("forget one", 4),
        ("rm one nobody two", 3),
        ("events nobody", 3),
        ("logs nobody", 3),
    ] {
        transcript.run(&words(typed)).ended_with(status);
        assert_both_live(&house);
    }
    transcript.run(&["rm", "one", "one", "two"]).succeeded();
    transcript.run(&["rm", "sbx0"]).ended_with(4);
    transcript.matches("names-and-ids");
}

#[test]
fn a_gone_sandbox_is_named_by_its_id_only() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    house.run(&["rm", "box"]).succeeded();
    let mut transcript = Transcript::new(&house);
    transcript.run(&["show", "box"]).ended_with(3);
    transcript.run(&["exec", &sandbox.id, "--", "true"]).ended_with(125);
    transcript.run(&["shell", &sandbox.id]).ended_with(125);
    transcript.run(&["extend", &sandbox.id, "1h"]).ended_with(4);
    transcript.run(&["cp", &format!("{}:/etc/hostname", sandbox.id), "."]).ended_with(4);
    transcript.run(&["forget", &sandbox.id]).ended_with(4);
    transcript.run(&["rm", &sandbox.id]).succeeded();
    transcript.run(&["create", "local", "--name", "box"]).succeeded();
    transcript.run(&["rm", "box"]).succeeded();
    transcript.matches("gone");
}

#[test]
fn copies_that_fail_leave_both_sides_as_they_were() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    house.write("file", "here\n");
    house.write("folder/file", "in a folder\n");
    sandbox.sh("echo inside > file; mkdir folder; echo x > folder/file; mkdir /tmp/closed; mkfifo pipe").succeeded();
    let mut transcript = Transcript::new(&house);
    for (typed, status) in [
        ("cp nowhere box:", 4),
        ("cp box:nowhere .", 3),
        ("cp file box:/nowhere/file", 6),
        ("cp file box:/etc/hostname", 6),
        ("cp file box:/usr/file", 6),
        ("cp folder box:file", 4),
        ("cp box:folder file", 4),
        ("cp box:file nowhere/deeper", 4),
        ("cp box:/root/secret .", 6),
        ("cp box:pipe .", 4),
        ("cp box:../../etc/hostname escaped", 0),
        ("cp file nobody:", 3),
    ] {
        let outcome = transcript.run(&words(typed));
        assert_eq!(outcome.status, status, "{typed}: {}", outcome.stderr);
    }
    assert_eq!(std::fs::read_to_string(house.work().join("file")).expect("still there"), "here\n");
    assert_eq!(sandbox.sh("cat file").succeeded().text(), "inside\n");
    transcript.matches("copies-that-fail");
    sandbox.remove();
}
