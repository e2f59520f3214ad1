//! The end of a sandbox on a machine that others use, too.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sandboxer_agent::{End, Ended, Folder, LABEL, SANDBOX_VARIABLE, end};
use tempfile::TempDir;

/// A process that goes with the test, and the numbers of those it started.
struct Started {
    child: Child,
    told: Vec<i32>,
}

impl Started {
    /// Runs a script that says `ready` when all is as it should be, and numbers of processes before.
    fn sh(script: &str, sandbox: Option<&str>, folder: &Path) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        match sandbox {
            Some(name) => command.env(SANDBOX_VARIABLE, name),
            None => command.env_remove(SANDBOX_VARIABLE),
        };
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let told = lines.take_while(|line| line != "ready").map(|line| line.parse().unwrap()).collect();
        Self { child, told }
    }

    fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Ended already in most tests.
        self.child.kill().ok();
        self.child.wait().ok();
        for pid in self.told.iter().filter(|pid| is_sleep(**pid)) {
            rustix::process::kill_process(rustix::process::Pid::from_raw(*pid).unwrap(), rustix::process::Signal::KILL)
                .ok();
        }
    }
}

/// Whether a process of that number still runs what the tests start.
fn is_sleep(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains("(sleep)") && !stat.contains("(sleep) Z")
}

fn ends(sandbox: &str, folders: &[&Path]) -> Ended {
    end(&End {
        sandbox: sandbox.to_owned(),
        folders: folders.iter().map(|folder| Folder { path: folder.to_path_buf(), label: None }).collect(),
        account: None,
    })
}

/// Of this test alone: others run beside it.
fn name(text: &str) -> String {
    format!("sbxend{}{text}", std::process::id())
}

#[test]
fn all_that_bear_the_name_end_and_no_neighbour() {
    let folder = TempDir::new().unwrap();
    let (own, other) = (name("a"), name("ab"));
    let mut plain = Started::sh("sleep 1000 & echo $!; echo ready; wait", Some(&own), folder.path());
    let mut stubborn =
        Started::sh("trap '' TERM HUP; echo ready; while :; do sleep 1; done", Some(&own), folder.path());
    // Its environment says nothing any more, and it has a session of its own.
    let hidden = "env -i setsid sleep 1000 & echo $!; echo ready; wait";
    let mut hiding = Started::sh(hidden, Some(&own), folder.path());
    let mut neighbour = Started::sh("sleep 1000 & echo $!; echo ready; wait", Some(&other), folder.path());
    let mut stranger = Started::sh("echo ready; exec sleep 1000", None, folder.path());
    let ended = ends(&own, &[]);
    assert!(ended.complete(), "{ended:?}");
    assert!(ended.ended.len() >= 5, "{ended:?}");
    assert!(!plain.lives() && !stubborn.lives() && !hiding.lives());
    assert!(plain.told.iter().chain(&hiding.told).all(|pid| !is_sleep(*pid)));
    assert!(neighbour.lives() && stranger.lives() && is_sleep(neighbour.told[0]));
    let again = ends(&own, &[]);
    assert_eq!(again, Ended::default());
}

#[test]
fn one_that_starts_another_whenever_it_is_ended_ends_too() {
    let folder = TempDir::new().unwrap();
    let own = name("c");
    let script = "again() { setsid /bin/sh -c \"$0\" \"$0\" >/dev/null & }; trap 'again; exit' TERM; echo ready; while :; do sleep 0.01; done";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, script]).env(SANDBOX_VARIABLE, &own).current_dir(folder.path()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let ended = ends(&own, &[]);
    assert!(ended.complete(), "{ended:?}");
    child.wait().unwrap();
    assert_eq!(ends(&own, &[]), Ended::default());
}

#[test]
fn folders_go_with_whoever_works_in_them() {
    let root = TempDir::new().unwrap();
    let (own, kept) = (root.path().join("own"), root.path().join("own-neighbour"));
    for folder in [&own, &kept] {
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        std::fs::write(folder.join("deep/file"), "x").unwrap();
    }
    std::os::unix::fs::symlink(&kept, own.join("link")).unwrap();
    let mut inside = Started::sh("echo ready; exec sleep 1000", None, &own.join("deep"));
    let mut beside = Started::sh("echo ready; exec sleep 1000", None, &kept);
    let gone = root.path().join("gone");
    let ended = ends(&name("d"), &[&own, &gone]);
    assert!(ended.complete(), "{ended:?}");
    assert_eq!((ended.removed, ended.already_absent), (vec![path(&own)], vec![path(&gone)]));
    assert!(!inside.lives() && beside.lives());
    assert!(!own.exists() && kept.join("deep/file").exists());
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn only_a_folder_with_the_label_goes() {
    let root = TempDir::new().unwrap();
    let folder = |name: &str, text: Option<&str>| {
        let path = root.path().join(name);
        std::fs::create_dir(&path).unwrap();
        if let Some(text) = text {
            std::fs::write(path.join(LABEL), text).unwrap();
        }
        path
    };
    let own = folder("own", Some("mine a\n{}\n"));
    let others = [folder("other", Some("mine ab\n")), folder("none", None), folder("odd", Some("\nmine a\n"))];
    let linked = folder("linked", None);
    std::os::unix::fs::symlink("../elsewhere", linked.join(LABEL)).unwrap();
    std::fs::write(root.path().join("elsewhere"), "mine a\n").unwrap();
    std::os::unix::fs::symlink("own", root.path().join("link")).unwrap();
    let mut inside = Started::sh("echo ready; exec sleep 1000", None, &others[0]);
    let kept = others.iter().cloned().chain([linked, root.path().join("link"), root.path().join("gone")]);
    let wanted: Vec<_> = kept.chain([own.clone()]).collect();
    let label = Some("mine a".to_owned());
    let folders = wanted.iter().map(|path| Folder { path: path.clone(), label: label.clone() }).collect();
    let ended = end(&End { sandbox: name("f"), folders, account: None });
    assert!(ended.complete(), "{ended:?}");
    assert_eq!((ended.removed, ended.already_absent.len()), (vec![path(&own)], wanted.len() - 1));
    assert!(others.iter().all(|folder| folder.exists()) && inside.lives());
}

#[test]
fn what_is_no_folder_of_a_sandbox_is_left_and_told() {
    for wrong in ["/", "relative", "/tmp/../etc", "", ".."] {
        let ended = ends(&name("e"), &[Path::new(wrong)]);
        assert!(!ended.complete() && ended.removed.is_empty(), "{wrong:?}: {ended:?}");
    }
}
