//! Commands inside, their streams and their files.

use crate::support::{House, Sandbox, Who};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

pub(crate) fn statuses_pass_through(who: Who) {
    let house = House::new(who);
    for status in [0, 1, 2, 3, 42, 125, 126, 127, 128, 254, 255] {
        house.run(&["run", "--", "sh", "-c", &format!("exit {status}")]).ended_with(status);
    }
    for (signal, status) in [("KILL", 137), ("TERM", 143), ("INT", 130), ("SEGV", 139)] {
        house.run(&["run", "--", "sh", "-c", &format!("kill -{signal} $$")]).ended_with(status);
    }
    house.run(&["run", "--", "no-such-command"]).ended_with(127);
    house.run(&["run", "--", "/etc/passwd"]).ended_with(126);
}

pub(crate) fn streams_are_apart(who: Who) {
    let house = House::new(who);
    let outcome =
        house.run_with_input(&["run", "--", "sh", "-c", "cat; echo err >&2; printf out"], b"in\n").succeeded();
    assert_eq!((outcome.text().as_str(), outcome.stderr.as_str()), ("in\nout", "err\n"));
    let sandbox = Sandbox::create(&house, "local");
    let outcome = house.run_with_input(&["exec", "-i", &sandbox.id, "--", "cat"], b"\x00\xff\n").succeeded();
    assert_eq!(outcome.stdout, b"\x00\xff\n");
    let outcome = house.run_with_input(&["exec", &sandbox.id, "--", "cat"], b"not handed over").succeeded();
    assert_eq!(outcome.stdout, b"");
    sandbox.remove();
}

/// Bytes of every value, in no order that a line or a block would repeat.
fn many_bytes() -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(10 * 1024 * 1024).collect()
}

pub(crate) fn ten_megabytes_pass_unchanged(who: Who) {
    let house = House::new(who);
    let bytes = many_bytes();
    let outcome = house.run_with_input(&["run", "--", "cat"], &bytes).succeeded();
    assert!(outcome.stdout == bytes, "{} bytes of {} came back", outcome.stdout.len(), bytes.len());
    house.write("large", &bytes);
    let sandbox = Sandbox::create(&house, "local");
    house.run(&["cp", "large", &format!("{}:copy", sandbox.id)]).succeeded();
    house.run(&["cp", &format!("{}:copy", sandbox.id), "back"]).succeeded();
    assert!(std::fs::read(house.work().join("back")).expect("copied") == bytes);
    sandbox.remove();
}

pub(crate) fn a_tree_is_copied_as_it_is(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let odd = OsStr::from_bytes(b"odd-\xff");
    house.write("tree/tool", "#!/bin/sh\n");
    set_mode(&house.work().join("tree/tool"), 0o750);
    house.write("tree/deep/one", "shared");
    let tree = house.work().join("tree");
    std::fs::hard_link(tree.join("deep/one"), tree.join("two")).expect("ours");
    symlink("no/where", tree.join("link")).expect("ours");
    house.give(&house.write("tree/sparse", ""));
    std::fs::File::options().write(true).open(tree.join("sparse")).expect("ours").set_len(10 << 30).expect("a hole");
    std::fs::rename(&tree, house.work().join(odd)).expect("ours");
    let (into, back) = (format!("{}:", sandbox.id), OsString::from(format!("{}:", sandbox.id)));
    house.run(&[OsStr::new("cp"), odd, into.as_ref()]).succeeded();
    let looked = sandbox.sh("cd odd-*; stat -c '%a %h %s %b' tool two sparse; readlink link").succeeded().text();
    let blocks = looked.lines().nth(2).and_then(|line| line.rsplit(' ').next()).expect("three lines").to_owned();
    assert_eq!(looked, format!("750 1 10 8\n644 2 6 8\n644 1 10737418240 {blocks}\nno/where\n"));
    assert_eq!(blocks, "0");
    std::fs::rename(house.work().join(odd), house.work().join("before")).expect("ours");
    let mut inside = back;
    inside.push(odd);
    house.run(&[OsStr::new("cp"), &inside, OsStr::new(".")]).succeeded();
    let place = house.work().join(odd);
    let status = |name: &str| std::fs::symlink_metadata(place.join(name)).expect("copied");
    assert_eq!((status("tool").mode() & 0o7777, status("two").ino()), (0o750, status("deep/one").ino()));
    assert_eq!((status("sparse").len(), status("sparse").blocks()), (10 << 30, 0));
    assert_eq!(std::fs::read_link(place.join("link")).expect("a link"), Path::new("no/where"));
    sandbox.remove();
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
}

pub(crate) fn an_empty_input_ends_at_once(who: Who) {
    let house = House::new(who);
    house.run_with_input(&["run", "--", "cat"], b"").succeeded();
    // A command that does not read what is written to it.
    house.run_with_input(&["run", "--", "true"], &many_bytes()).succeeded();
}

fn git(house: &House, arguments: &[&str]) {
    let mut command: Command = house.program_command("git");
    command.args(["-C", "app", "-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
    crate::support::Running::start(command, None).finish().succeeded();
}

pub(crate) fn a_repository_is_copied_as_it_is(who: Who) {
    let house = House::new(who);
    house.write("app/committed", "first\n");
    house.write("app/.gitignore", "ignored\n");
    git(&house, &["init", "--quiet"]);
    git(&house, &["add", "."]);
    git(&house, &["commit", "--quiet", "-m", "first"]);
    house.write("app/committed", "changed\n");
    house.write("app/untracked", "new\n");
    let script = "cat /workspace/committed untracked; git status --short; echo more >> committed";
    let outcome = house.run(&["run", "--repo", "app", "--", "sh", "-c", script]).succeeded();
    assert_eq!(outcome.text(), "changed\nnew\n M committed\n?? untracked\n", "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(house.work().join("app/committed")).expect("ours"), "changed\n");
}

pub(crate) fn what_was_asked_for_comes_out(who: Who) {
    let house = House::new(who);
    let script = "mkdir -p report/deep; echo a > report/deep/page; echo b > single; exit 5";
    let typed = ["run", "--out", "report", "--out", "single", "--out", "/etc/hostname", "--", "sh", "-c", script];
    house.run(&typed).ended_with(5);
    let read = |name: &str| std::fs::read_to_string(house.work().join(name)).expect("it came out");
    assert_eq!((read("report/deep/page").as_str(), read("single").as_str()), ("a\n", "b\n"));
    assert!(read("hostname").starts_with("sbx"));
}

pub(crate) fn a_kept_sandbox_stays(who: Who) {
    let house = House::new(who);
    house.run(&["run", "--keep", "--name", "kept", "--", "sh", "-c", "echo mine > file; exit 4"]).ended_with(4);
    assert_eq!(house.run(&["exec", "kept", "--", "cat", "file"]).succeeded().text(), "mine\n");
    house.run(&["rm", "kept"]).succeeded();
}
