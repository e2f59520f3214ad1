//! Requests that are refused before anything exists, however they are put.

use crate::support::{House, Transcript, Who, words};

fn nothing_was_recorded(house: &House) {
    assert_eq!(house.run(&["ls", "--all", "--json"]).succeeded().json()["sandboxes"], serde_json::json!([]));
}

#[test]
fn what_a_profile_does_not_allow() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    let refused = [
        ("create loacl", 3),
        ("create no-such-thing-at-all", 3),
        ("create local -i repos=.", 4),
        ("create local -i base=guest", 4),
        ("create local -i base=7", 4),
        ("create local -i repo=", 4),
        ("create local -i repo=. -i repo=.", 4),
        ("create local --repo . -i repo=.", 4),
        ("create local --repo nowhere", 3),
        ("create local --ttl 25h", 4),
        ("create local --ttl 0s", 4),
        ("create local --host elsewhere", 3),
        ("create local --label sandboxer.owner=me", 4),
    ];
    for (typed, status) in refused {
        transcript.run(&words(typed)).ended_with(status);
    }
    nothing_was_recorded(&house);
    transcript.matches("refused-requests");
}

#[test]
fn run_says_the_status_that_it_would_have_been() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    for typed in [
        "run loacl -- true",
        "run -i base=guest -- true",
        "run --repo nowhere -- true",
        "exec box -- true",
        "shell box",
    ] {
        transcript.run(&words(typed)).ended_with(125);
    }
    nothing_was_recorded(&house);
    transcript.matches("refused-runs");
}

/// Texts that mean something to somebody else: a shell, a file system, a terminal, a database.
fn hostile_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "../x",
        "..",
        "/",
        "/etc/passwd",
        "x/../../y",
        "$(id)",
        "`id`",
        ";id",
        "a b",
        "a\nb",
        "a\u{1b}[31mb",
        "\u{202e}gpj",
        "größe",
        "日本",
        "%",
        "_",
        "'; DROP TABLE sandboxes; --",
        "",
        "UPPER",
        "-",
        "a-",
        ".",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("x".repeat(100_000));
    texts
}

#[test]
fn hostile_names_are_refused_wherever_a_name_is_taken() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    for text in hostile_texts() {
        for option in ["--id", "--name", "--host"] {
            let outcome = transcript.run(&["create", "local", &format!("{option}={text}")]);
            // Hosts may have such names, but there is none.
            let could_be = option == "--host" && ["UPPER", "a-"].contains(&text.as_str());
            assert_eq!(outcome.status, if could_be { 3 } else { 2 }, "{option}={text}: {outcome:?}");
        }
        transcript.run(&["create", &format!("profile.{text}")]).ended_with(4);
    }
    for text in ["", "-rf", "a\nb", &"x".repeat(100_000)] {
        transcript.run(&["create", "local", &format!("--consumer={text}")]).ended_with(2);
    }
    transcript.run(&["create", "-rf"]).ended_with(2);
    nothing_was_recorded(&house);
    transcript.matches("hostile-names");
}

#[test]
fn hostile_ids_find_nothing_and_harm_nothing() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    for text in hostile_texts() {
        transcript.run(&["show", "--", &text]).ended_with(3);
        for command in [vec!["rm"], vec!["extend"], vec!["logs"], vec!["events"], vec!["forget"]] {
            let mut typed = command.clone();
            typed.extend(["--", &text]);
            if command == ["extend"] {
                typed.push("1h");
            }
            house.run(&typed).ended_with(3);
        }
        house.run(&["exec", &text, "--", "true"]).ended_with(125);
    }
    for typed in ["show -rf", "rm -rf", "rm -- -rf", "rm box -rf"] {
        let status = if typed.contains("--") { 3 } else { 2 };
        transcript.run(&words(typed)).ended_with(status);
    }
    transcript.matches("hostile-ids");
}

#[test]
fn copies_that_cannot_be() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["cp", "a", "b"]).ended_with(4);
    transcript.run(&["cp", "box:a", "box:b"]).ended_with(4);
    transcript.run(&["cp", "box:a", "b"]).ended_with(3);
    transcript.run(&["cp", "a", "../box:b"]).ended_with(4);
    transcript.matches("copies-that-cannot-be");
}
