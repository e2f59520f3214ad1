//! Commands that outlive whoever started them.

use crate::support::{Cable, House, Running, Sandbox, Terminal, Who, until};
use rustix::process::Signal;

/// Starts a script inside that goes on by itself; gives its name.
fn detach(house: &House, sandbox: &Sandbox<'_>, script: &str) -> String {
    let outcome = house.run(&["exec", "-d", &sandbox.id, "--", "sh", "-c", script]).succeeded();
    outcome.text().trim().to_owned()
}

fn commands(house: &House, sandbox: &Sandbox<'_>) -> serde_json::Value {
    house.run(&["ps", &sandbox.id, "--json"]).succeeded().json()["commands"].clone()
}

fn named<'a>(commands: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    commands.as_array().expect("a list").iter().find(|one| one["name"] == name).expect("it is listed")
}

pub(crate) fn a_detached_command_goes_on_and_is_found_again(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    sandbox.sh("mkfifo go").succeeded();
    let name = detach(&house, &sandbox, "echo out; echo err >&2; read word < go; echo $word; exit 7");
    let other = detach(&house, &sandbox, "true");
    assert_ne!(name, other);
    let listed = commands(&house, &sandbox);
    assert_eq!((&named(&listed, &name)["state"], &named(&listed, &name)["code"]), (&"running".into(), &().into()));
    let attached = house.start(&["attach", &sandbox.id, &name]);
    attached.says("out\n");
    sandbox.sh("echo word > go").succeeded();
    let outcome = attached.finish().ended_with(7);
    assert_eq!((outcome.text().as_str(), outcome.stderr.as_str()), ("out\nword\n", "err\n"));
    // And once more, after its end, from the middle.
    let outcome = house.run(&["attach", &sandbox.id, &name, "--from", "8"]).ended_with(7);
    assert_eq!((outcome.text().as_str(), outcome.stderr.as_str()), ("word\n", ""));
    let outcome = house.run(&["logs", &sandbox.id, &name]).succeeded();
    assert_eq!((outcome.text().as_str(), outcome.stderr.as_str()), ("out\nword\n", "err\n"));
    let listed = commands(&house, &sandbox);
    let row = named(&listed, &name);
    assert_eq!((&row["state"], &row["code"], &row["output_bytes"]), (&"exited".into(), &7.into(), &13.into()));
    sandbox.remove();
}

pub(crate) fn a_killed_client_loses_nothing(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    sandbox.sh("mkfifo go").succeeded();
    let script = "seq 1000; read word < go; seq 1001 2000; exit 3";
    let running = house.start(&["exec", "--tag", "count", &sandbox.id, "--", "sh", "-c", script]);
    running.says("\n500\n");
    running.signal(Signal::KILL);
    let before = running.finish().ended_with(1009).stdout;
    sandbox.sh("echo go > go").succeeded();
    let rest = house.run(&["attach", &sandbox.id, "count", "--from", &before.len().to_string()]).ended_with(3);
    let whole = [before, rest.stdout].concat();
    let expected: String = (1..=2000).map(|number| format!("{number}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&whole), expected);
    sandbox.remove();
}

pub(crate) fn a_broken_connection_is_made_again(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let cable = Cable::lay(&sandbox.socket());
    sandbox.sh("mkfifo go").succeeded();
    let script = "exec 3<>go; while read word <&3; do echo $word; [ $word = last ] && exit 5; done";
    let started = house.start(&["exec", "--tag", "echo", &sandbox.id, "--", "sh", "-c", script]);
    let say = |word: &str, running: &[&Running]| {
        sandbox.sh(&format!("echo {word} > go")).succeeded();
        running.iter().for_each(|one| one.says(&format!("{word}\n")));
    };
    say("first", &[&started]);
    cable.cut();
    say("second", &[&started]);
    let attached = house.start(&["attach", &sandbox.id, "echo"]);
    let followed = house.start(&["logs", "-f", &sandbox.id, "echo"]);
    say("third", &[&started, &attached, &followed]);
    cable.cut();
    say("fourth", &[&started, &attached, &followed]);
    cable.cut();
    sandbox.sh("echo last > go").succeeded();
    for (running, status) in [(started, 5), (attached, 5), (followed, 0)] {
        let outcome = running.finish().ended_with(status);
        assert_eq!(outcome.text(), "first\nsecond\nthird\nfourth\nlast\n");
        assert_eq!(outcome.stderr, "");
    }
    sandbox.remove();
}

pub(crate) fn a_connection_that_cannot_be_made_again_is_said(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let cable = Cable::lay(&sandbox.socket());
    let running = house.start(&["exec", &sandbox.id, "--", "sh", "-c", "echo here; exec sleep 1000"]);
    running.says("here\n");
    cable.remove();
    let outcome = running.finish().ended_with(125);
    assert!(outcome.stderr.starts_with("error: the connection to the sandbox's agent broke"), "{}", outcome.stderr);
    house.run(&["rm", &sandbox.id]).succeeded();
    // One whose sandbox goes says that.
    let sandbox = Sandbox::create(&house, "local");
    let running = house.start(&["exec", &sandbox.id, "--", "sh", "-c", "echo here; exec sleep 1000"]);
    running.says("here\n");
    sandbox.remove();
    let outcome = running.finish().ended_with(125);
    assert!(outcome.stderr.starts_with("error: the connection to the sandbox's agent broke"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(", not ready\n"), "{}", outcome.stderr);
}

pub(crate) fn input_and_signals_reach_an_attached_command(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    house.run(&["exec", "-d", "-i", "--tag", "cat", &sandbox.id, "--", "cat"]).succeeded();
    let typed = ["attach", "-i", &sandbox.id, "cat"];
    let outcome = house.run_with_input(&typed, b"in\n\x00\xff").succeeded();
    assert_eq!(outcome.stdout, b"in\n\x00\xff");
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let name = detach(&house, &sandbox, "echo here; exec sleep 1000");
        let attached = house.start(&["attach", &sandbox.id, &name]);
        attached.says("here\n");
        attached.signal(signal);
        attached.finish().ended_with(status);
    }
    sandbox.remove();
}

pub(crate) fn a_log_is_followed_to_the_end_of_the_command(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    sandbox.sh("mkfifo go").succeeded();
    let name = detach(&house, &sandbox, "echo first; read word < go; echo $word; exit 9");
    let looking = house.start(&["logs", "-f", &sandbox.id, &name]);
    looking.says("first\n");
    // Who only looks on can leave, and the command goes on.
    looking.signal(Signal::INT);
    looking.finish().succeeded();
    let looking = house.start(&["logs", "--follow", &sandbox.id, &name]);
    looking.says("first\n");
    sandbox.sh("echo last > go").succeeded();
    assert_eq!(looking.finish().succeeded().text(), "first\nlast\n");
    sandbox.remove();
}

pub(crate) fn a_log_is_followed_to_the_end_of_the_sandbox(who: Who) {
    let house = House::new(who);
    house.write(
        "profiles/profile.loud.yaml",
        "id: profile.loud\ntitle: Loud\nextension: ext.local\nttl: {default: 10m, max: 1h}\nsetup: [[echo, it is set up]]\n",
    );
    house.run(&["trust", "."]).succeeded();
    let sandbox = Sandbox::create(&house, "loud");
    let looking = house.start(&["logs", "-f", &sandbox.id]);
    looking.says("it is set up\n");
    sandbox.remove();
    let outcome = looking.finish().succeeded();
    assert!(outcome.text().starts_with("$ echo \"it is set up\"\nit is set up\n"), "{}", outcome.text());
}

pub(crate) fn lost_output_is_said(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let name = detach(&house, &sandbox, "seq -f %015g 0 99999; echo end");
    house.run(&["logs", "-f", &sandbox.id, &name]).succeeded();
    let outcome = house.run(&["attach", &sandbox.id, &name, "--from", "16"]).succeeded();
    let kept = named(&commands(&house, &sandbox), &name)["kept_from"].as_u64().expect("a number");
    assert!(kept > 16);
    assert_eq!(outcome.stderr, format!("warning: bytes 16 to {kept} of the output are not kept any more\n"));
    assert_eq!(outcome.stdout.len() as u64, 1_600_004 - kept);
    assert!(outcome.stdout.ends_with(b"99999\nend\n"));
    sandbox.remove();
}

pub(crate) fn a_detached_terminal_is_taken_up_again(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let typed = ["exec", "-dit", "--tag", "shell", &sandbox.id, "--", "sh"];
    house.run(&typed).succeeded();
    let mut terminal = Terminal::start(&house, &["attach", "-i", &sandbox.id, "shell"], 33, 101);
    terminal.types("stty size; echo rea''dy\n");
    terminal.shows("33 101\r\nready\r\n");
    terminal.types("exit 6\n");
    terminal.ends_with(6);
    sandbox.remove();
}

pub(crate) fn a_shell_survives_a_broken_connection(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let cable = Cable::lay(&sandbox.socket());
    let mut terminal = Terminal::start(&house, &["shell", &sandbox.id], 33, 101);
    terminal.types("kept=sec''ret; echo rea''dy\n");
    terminal.shows("ready\r\n");
    cable.cut();
    // What is typed while there is no connection is lost.
    until("it goes on", || {
        terminal.types("echo still $kept\n");
        terminal.screen().contains("still secret").then_some(())
    });
    terminal.types("exit 4\n");
    terminal.ends_with(4);
    sandbox.remove();
}
