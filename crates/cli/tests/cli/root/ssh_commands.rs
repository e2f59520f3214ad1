//! Commands and terminals in sandboxes, by a real `ssh`.

use crate::support::{House, Running, Sandbox, SshClient, Terminal, Who, until};
use rustix::process::Signal;

/// Bytes of every kind, the same each time.
pub(super) fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

#[test]
fn statuses_signals_and_streams_are_exact() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    for host in ["box", "box.sandboxer", &sandbox.id, &format!("{}.sandboxer", sandbox.id)] {
        let outcome = client.run(&[host, "echo out; echo err >&2; pwd; exit 7"]).ended_with(7);
        assert_eq!((outcome.text().as_str(), outcome.stderr.as_str()), ("out\n/workspace\n", "err\n"), "{host}");
    }
    assert_eq!(client.run(&["box", "kill -KILL $$"]).ended_with(255).stderr, "");
    let missing = client.run(&["box", "no-such-program"]).ended_with(127);
    assert!(missing.stderr.contains("no-such-program"), "{}", missing.stderr);
    assert_eq!(client.run_with_input(&["box", "cat; echo end"], b"a\0b\xff").succeeded().stdout, b"a\0b\xffend\n");
    assert_eq!(client.run(&["-n", "box", "cat"]).succeeded().stdout, b"");
    assert_eq!(client.run_with_input(&["box"], b"echo $SHELL; exit 3\n").ended_with(3).text(), "/bin/bash\n");
    let words = client.run(&["box", "echo", "'a  b'", "$HOME"]).succeeded();
    assert_eq!(words.text(), "a  b /home/user\n");
    let set = ["-o", "SetEnv=LC_ALL=C.UTF-8 MOOD=good", "box", "echo $LC_ALL $MOOD"];
    assert_eq!(client.run(&set).succeeded().text(), "C.UTF-8 good\n");
    sandbox.remove();
}

#[test]
fn users_and_sandboxes_that_there_are_not_are_said() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    assert_eq!(client.run(&["box", "id -un"]).succeeded().text(), "user\n");
    assert_eq!(client.run(&["root@box", "id -u"]).succeeded().text(), "0\n");
    let nobody = client.run(&["no-such-user@box", "id"]).ended_with(255);
    assert!(nobody.stderr.contains("error: cannot be `no-such-user` in this sandbox"), "{}", nobody.stderr);
    let nowhere = client.run(&["nowhere.sandboxer", "id"]).ended_with(255);
    assert!(nowhere.stderr.starts_with("error: no sandbox `nowhere`"), "{}", nowhere.stderr);
    let hostile = client.run(&["x'$(touch hurt)'.sandboxer", "id"]).ended_with(255);
    assert!(!house.work().join("hurt").exists(), "{}", hostile.stderr);
    sandbox.remove();
    let gone = client.run(&["box", "id"]).ended_with(255);
    assert!(gone.stderr.starts_with("error: "), "{}", gone.stderr);
}

#[test]
fn fifty_megabytes_pass_both_ways_unchanged() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let large = bytes(50 << 20);
    for options in [&["-o", "LogLevel=ERROR"][..], &["-o", "RekeyLimit=3M"], &["-c", "chacha20-poly1305@openssh.com"]] {
        let typed = [options, &["box", "cat"]].concat();
        let outcome = client.run_with_input(&typed, &large).succeeded();
        assert!(outcome.stdout == large, "{options:?}: {} bytes came back", outcome.stdout.len());
    }
    sandbox.remove();
}

#[test]
fn a_command_that_does_not_read_holds_up_nothing() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let large = bytes(20 << 20);
    // It says more than the client lets it before it reads anything.
    let script = "head -c 9000000 /dev/zero; sleep 0.5; sha256sum";
    let outcome = client.run_with_input(&["box", script], &large).succeeded();
    assert!(outcome.stdout[..9_000_000].iter().all(|byte| *byte == 0));
    house.write("large", &large);
    let here = Running::start(house.program_command("sha256sum"), Some(large.clone())).finish().succeeded();
    assert!(outcome.stdout[9_000_000..] == here.stdout, "{:?}", String::from_utf8_lossy(&outcome.stdout[9_000_000..]));
    assert_eq!(client.run_with_input(&["box", "exec true"], &large).succeeded().stdout, b"");
    sandbox.remove();
}

#[test]
fn a_terminal_has_its_size_and_its_keys() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let mut terminal = Terminal::with(&client.command("ssh", &["box"]), 33, 101);
    terminal.types("echo rea''dy; stty size; echo $TERM\n");
    terminal.shows("ready\r\n33 101\r\nxterm\r\n");
    terminal.resize(44, 122);
    terminal.types("until stty size | grep '44 122'; do sleep 0.01; done; echo resi''zed\n");
    terminal.shows("resized\r\n");
    terminal.types("sh -c 'echo sta\"\"rted; exec sleep 1000'\n");
    terminal.shows("started\r\n");
    terminal.types("\u{3}");
    terminal.shows("^C");
    terminal.types("echo sta''tus $?; exit 5\n");
    terminal.shows("status 130");
    terminal.ends_with(5);
    let terminal = Terminal::with(&client.command("ssh", &["-t", "box", "stty size; exit 9"]), 12, 50);
    terminal.shows("12 50\r");
    terminal.ends_with(9);
    sandbox.remove();
}

#[test]
fn what_a_client_leaves_behind_ends() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let commands = || sandbox.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").succeeded().text();
    let plain = client.start(&["box", "echo there; exec sleep 1001"]);
    plain.says("there");
    plain.signal(Signal::TERM);
    plain.finish();
    let mut terminal = Terminal::with(&client.command("ssh", &["box"]), 24, 80);
    terminal.types("echo rea''dy; sleep 1002\n");
    terminal.shows("ready\r\n");
    terminal.hangs_up();
    until("they ended", || {
        let left = commands();
        ["sleep 1001", "sleep 1002"].iter().all(|sleep| !left.contains(sleep)).then_some(())
    });
    // What it puts into the background stays.
    let script = "sh -c 'sleep 1003' < /dev/null > /dev/null 2>&1 & echo there; cat";
    let editor = Running::start(client.command("ssh", &["box", script]), None);
    editor.says("there");
    editor.signal(Signal::KILL);
    editor.finish();
    assert!(commands().contains("sleep 1003"));
    sandbox.remove();
}

#[test]
fn a_sandbox_that_goes_takes_its_sessions_along() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let running = client.start(&["box", "echo there; exec sleep 1000"]);
    running.says("there");
    sandbox.kill_agent();
    let outcome = running.finish().ended_with(255);
    assert!(outcome.stderr.contains("the way to the command broke"), "{}", outcome.stderr);
    sandbox.vanishes();
}

#[test]
fn words_that_need_quotes_stay_whole() {
    let house = House::new(Who::Caller);
    let state = house.work().join("it's a $(touch hurt) state; 100%h");
    let state = state.to_str().expect("plain");
    let catalog = house.work().join("my catalog");
    house.write("my catalog/profiles/profile.mine.yaml", "id: profile.mine\nextension: ext.local\n");
    let given = ["--state-dir", state, "--catalog", catalog.to_str().expect("plain")];
    let run = |typed: &[&str]| house.run(&[&given, typed].concat());
    run(&["create", "mine", "--name", "box"]).succeeded();
    let config = house.write("quoted.conf", run(&["ssh-config", "box"]).succeeded().stdout);
    let mut command = house.program_command("ssh");
    // The configuration alone says where everything is.
    command.env_remove("SANDBOXER_STATE").arg("-F").arg(config).args(["box", "echo hello"]);
    let outcome = Running::start(command, None).finish().succeeded();
    assert_eq!((outcome.text().as_str(), outcome.stderr.as_str()), ("hello\n", ""));
    run(&["rm", "box"]).succeeded();
    assert!(!house.work().join("hurt").exists());
    let refused = house.run(&["--state-dir", "a\"b", "ssh-config"]).ended_with(4);
    assert!(refused.stderr.contains("cannot stand in a configuration of ssh"), "{}", refused.stderr);
}
