//! The help of every command, and what is said of words that are none.

use crate::support::{House, Transcript, Who, words};

const COMMANDS: [&str; 49] = [
    "",
    "run",
    "create",
    "ls",
    "show",
    "exec",
    "shell",
    "ps",
    "attach",
    "forward",
    "ssh-config",
    "cp",
    "sync",
    "logs",
    "events",
    "extend",
    "rm",
    "forget",
    "reconcile",
    "orphans",
    "trust",
    "trust ls",
    "trust rm",
    "ext",
    "ext ls",
    "ext show",
    "ext new",
    "ext docs",
    "ext add",
    "ext remove",
    "ext test",
    "ext check",
    "profile",
    "profile ls",
    "profile show",
    "profile check",
    "registry",
    "registry export",
    "registry check",
    "host",
    "host ls",
    "host add",
    "host check",
    "doctor",
    "agent",
    "completion",
    "man",
    "help",
    "help run",
];

#[test]
fn every_command_has_help() {
    let house = House::new(Who::Caller);
    for command in COMMANDS {
        let mut transcript = Transcript::new(&house);
        let mut typed = words(command);
        typed.retain(|word| !word.is_empty());
        if typed.first() != Some(&"help") {
            typed.push("--help");
        }
        transcript.run(&typed).succeeded();
        transcript.matches(&format!("help-{}", command.replace(' ', "-")));
    }
}

#[test]
fn no_command_is_missing_from_the_list_above() {
    let house = House::new(Who::Caller);
    let help = house.run(&["--help"]).succeeded().text();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for line in listed.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let command = line.split_whitespace().next().expect("a word");
        assert!(COMMANDS.contains(&command), "`{command}` has no snapshot of its help");
    }
}

#[test]
fn wrong_words_end_with_2() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    let wrong = [
        "",
        "creat",
        "run",
        "run local echo",
        "create",
        "create local --ttl",
        "create local --ttl soon",
        "create local --ttl -5m",
        "create local -i nothing",
        "create local --label =x",
        "ls --state happy",
        "exec box",
        "exec -d box",
        "exec --tag 12 box -- true",
        "exec --tag a/b box -- true",
        "ps",
        "attach box",
        "attach --from behind box a",
        "forward box",
        "forward box http",
        "forward box nowhere:80",
        "extend box",
        "rm",
        "rm --all box",
        "completion tcsh",
        "orphans --most many",
        "ls --no-such-flag",
    ];
    for arguments in wrong {
        let mut typed = words(arguments);
        typed.retain(|word| !word.is_empty());
        transcript.run(&typed).ended_with(2);
    }
    transcript.matches("usage-errors");
}

#[test]
fn the_version_is_said_and_completion_and_manual_are_made() {
    let house = House::new(Who::Caller);
    assert_eq!(house.run(&["--version"]).succeeded().text(), concat!("sandboxer ", env!("CARGO_PKG_VERSION"), "\n"));
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(house.run(&["completion", shell]).succeeded().text().contains("sandboxer"));
    }
    house.run(&["man", "."]).succeeded();
    let page = std::fs::read_to_string(house.work().join("sandboxer.1")).expect("a page");
    assert!(page.contains("disposable") || page.contains("Disposable"));
    assert!(house.work().join("sandboxer-run.1").exists());
    let mut transcript = Transcript::new(&house);
    transcript.run(&["man", "nowhere"]).ended_with(3);
    transcript.matches("man-into-nowhere");
}
