//! Workspaces on a machine that is there already, and stays: `ext.vm-packer` as people use it. Each test has ssh servers of its
//! own; the machine behind one of them stands in for the virtual one.

use crate::support::{Outcome, Servers, until};
use sandboxer_machinery::is_root;
use std::path::{Path, PathBuf};

/// The machine, as ssh knows it, and the one before it.
const MACHINE: &str = "haskell-build";
const BEFORE: &str = "placement";

/// A house with both. Behind the placement host, the machine is a port of its own loopback.
struct Place(Servers);

impl Place {
    fn new() -> Self {
        Self(Servers::new(&[MACHINE, BEFORE]))
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Outcome {
        self.0.run(arguments)
    }

    fn port(&self) -> u16 {
        self.0.server(MACHINE).port()
    }

    fn created(&self, arguments: &[&str]) -> serde_json::Value {
        let words = [&["--json", "create"], arguments].concat();
        self.run(&words).succeeded().json()
    }

    fn said(&self, sandbox: &str, script: &str) -> String {
        self.run(&["exec", sandbox, "--", "/bin/sh", "-c", script]).succeeded().text().trim().to_owned()
    }

    /// What is in the machine's folder of workspaces.
    fn workspaces(&self) -> Vec<PathBuf> {
        entries(&self.0.home(MACHINE).join("sandboxer"))
    }

    /// Of the machine's home, what is not the agent's program.
    fn nothing_left(&self) {
        assert_eq!(self.workspaces(), Vec::<PathBuf>::new());
        let others: Vec<_> = entries(&self.0.home(MACHINE))
            .into_iter()
            .filter(|path| !path.ends_with(".cache") && !path.ends_with("sandboxer") && !path.ends_with(".ssh"))
            .collect();
        assert_eq!(others, Vec::<PathBuf>::new());
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("readable").path()).collect()
}

impl Drop for Place {
    /// Of a test that failed, removes the users whose home is here.
    fn drop(&mut self) {
        self.0.end();
        let here = self.0.house.path("").display().to_string();
        let passwd = std::fs::read_to_string("/etc/passwd").expect("readable");
        for fields in passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()) {
            if fields.get(5).is_some_and(|home| home.starts_with(&here)) {
                std::process::Command::new("userdel").arg(fields[0]).status().expect("it starts");
                std::fs::remove_dir_all(format!("/tmp/sandboxer-{}", fields[2])).ok();
            }
        }
    }
}

/// The number of a process that a script left running, while it runs.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains("(sleep)") && !stat.contains("(sleep) Z")
}

#[test]
fn a_workspace_on_the_build_machine_from_its_first_to_its_last_day() {
    let place = Place::new();
    place.0.house.write("app/file", "not committed");
    let status = place.created(&["vm-haskell-build", "--repo", "app", "--name", "one"]);
    let reachability = &status["reachability"];
    assert_eq!((&reachability["ssh"], &reachability["separation"]), (&"haskell-build".into(), &"directory".into()));
    assert_eq!(status["isolation"], "none");
    let id = status["sandbox_id"].as_str().expect("an id");
    let work = place.0.home(MACHINE).join("sandboxer").join(id).join("work");
    assert_eq!(place.said("one", "pwd -P; cat file"), format!("{}\nnot committed", work.display()));
    let neighbour = place.created(&["vm-haskell-build", "--name", "two"]);
    assert_eq!(place.workspaces().len(), 2);

    // A second sync sends what differs.
    place.0.house.write("app/file", "changed");
    place.0.house.write("app/new", "more");
    let synced = place.run(&["--json", "sync", "one"]).succeeded().json();
    assert_eq!((&synced["sent"], &synced["target"]), (&2.into(), &work.display().to_string().into()), "{synced}");
    assert_eq!(place.said("one", "cat file new"), "changedmore");
    let nothing = place.run(&["sync", "one"]).succeeded().text();
    assert_eq!(nothing.trim(), "sent 0 of 2 entries (0 bytes), removed 0");

    let left = "cd /; env -i setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!";
    let (own, others) = (place.said("one", left), place.said("two", left));
    place.run(&["extend", "one", "2h"]).succeeded();
    let removed = place.run(&["--json", "rm", "one"]).succeeded().json();
    assert!(removed.to_string().contains("the machine haskell-build"), "{removed:#}");
    until("its processes are gone", || (!runs(&own)).then_some(()));
    assert!(runs(&others) && place.workspaces().len() == 1, "the neighbour's stay");
    place.said("two", "touch still-here");
    place.run(&["rm", neighbour["sandbox_id"].as_str().expect("an id")]).succeeded();
    until("its processes are gone", || (!runs(&others)).then_some(()));
    place.nothing_left();
}

#[test]
fn a_machine_behind_a_port_of_the_placement_host() {
    let place = Place::new();
    place.0.house.write("app/file", "sent through");
    let port = format!("tunnel_port={}", place.port());
    let words = ["vm-haskell-build", "--host", "placement", "--repo", "app", "-i", &port, "--name", "one"];
    let status = place.created(&words);
    let reachability = &status["reachability"];
    assert_eq!(reachability["ssh"], format!("127.0.0.1:{}", place.port()));
    assert_eq!((&reachability["jump"], &reachability["host"]), (&"placement".into(), &"placement".into()));
    let home = place.0.home(MACHINE).display().to_string();
    assert_eq!(
        place.said("one", "echo $HOME; cat file"),
        format!("{home}\nsent through"),
        "it runs on the machine behind"
    );
    place.0.house.write("app/file", "sent again");
    place.run(&["sync", "one"]).succeeded();
    assert_eq!(place.said("one", "cat file"), "sent again");
    // Without the host before it, nothing is known to be removed.
    place.0.server(BEFORE).stop();
    let owed = place.run(&["rm", "one"]).ended_with(8);
    assert!(owed.stderr.contains("placement"), "{}", owed.stderr);
    assert_eq!(place.workspaces().len(), 1);
    place.0.server(BEFORE).start_again();
    place.run(&["rm", "one"]).succeeded();
    place.nothing_left();
    let refused = place.run(&["create", "vm-haskell-build", "-i", &port, "-i", "ssh_port=22"]).ended_with(4);
    assert!(refused.stderr.contains("`ssh_port`"), "{}", refused.stderr);
}

/// The manifest of the 0.1 guide, with its five keys and nothing else.
#[test]
fn a_folders_own_manifest_names_its_machines() {
    let place = Place::new();
    let manifest = format!(
        "id: ext.vm-packer\ntitle: Our machines\nhandler: sandboxer.extensions.vm_packer:VMPackerExtension\n\
         capabilities:\n  isolation_levels: [vm]\n  pricing_model: self-hosted\n\
         config:\n  vms:\n    ours: {{ssh: haskell-build, workspace_dir: {}}}\n",
        place.0.home(MACHINE).join("sandboxer/ours").display()
    );
    place.0.house.write("catalog/extensions/ext.vm-packer.yaml", manifest);
    place.0.house.write("catalog/profiles/profile.ours.yaml", "id: profile.ours\nextension: ext.vm-packer\n");
    let status = place.created(&["ours", "-i", "vm=ours", "--name", "one"]);
    assert_eq!(status["reachability"]["vm"], "ours");
    assert!(place.said("one", "pwd -P").contains("/sandboxer/ours/"));
    // The caller's own target replaces what a profile has by default.
    let target = format!("ssh_target=127.0.0.1:{}", place.port());
    let status = place.created(&["vm-haskell-build", "-i", &target, "--name", "two"]);
    assert_eq!(status["reachability"]["ssh"], format!("127.0.0.1:{}", place.port()));
    let missing = place.run(&["create", "ours"]).ended_with(4);
    assert!(missing.stderr.contains("`inputs.vm`") && missing.stderr.contains("ssh_target"), "{}", missing.stderr);
    // Nobody knows it any more: the machines that the manifest names are looked through.
    let listed = place.run(&["--json", "orphans"]).succeeded().json();
    assert!(!listed.to_string().contains(status["sandbox_id"].as_str().expect("an id")), "{listed}");
    place.run(&["rm", "one"]).succeeded();
    place.run(&["rm", "two"]).succeeded();
    assert_eq!(entries(&place.0.home(MACHINE).join("sandboxer/ours")), Vec::<PathBuf>::new());
}

#[test]
fn the_machine_removes_what_nobody_comes_back_for() {
    let place = Place::new();
    let status = place.created(&["vm-haskell-build", "--ttl", "1s"]);
    assert_eq!(status["state"], "ready");
    assert_eq!(place.workspaces().len(), 1);
    // The engine is gone for good, with all it knew.
    std::fs::remove_file(place.0.house.state().join("store.sqlite")).expect("there");
    let gone = || place.workspaces().is_empty().then_some(());
    until("the machine ends it", gone);
    place.nothing_left();
}

#[test]
fn users_of_their_own_keep_neighbours_apart() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let base = place.0.home(MACHINE).join("sandboxer");
    let profile = format!(
        "id: profile.apart\nextension: ext.vm-packer\nisolation: process\nnetwork: host\noptions: {{separate_users: true}}\n\
         inputs:\n  defaults: {{vm: haskell-build, workspace_dir: {}}}\n",
        base.display()
    );
    for folder in [MACHINE, "haskell-build/home"] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(place.0.house.path(folder), std::fs::Permissions::from_mode(0o755)).expect("ours");
    }
    place.0.house.write("catalog/profiles/profile.apart.yaml", profile);
    place.0.house.write("app/file", "sent");
    let status = place.created(&["apart", "--repo", "app", "--name", "one"]);
    assert_eq!((&status["isolation"], &status["reachability"]["separation"]), (&"process".into(), &"user".into()));
    place.created(&["apart", "--name", "two"]);
    let (first, second) = (place.said("one", "id -un"), place.said("two", "id -un"));
    assert!(first.starts_with("sbx-") && second.starts_with("sbx-") && first != second, "{first} {second}");
    let work = status["reachability"]["remote_dir"].as_str().expect("a workspace");
    assert_eq!(place.said("one", "pwd -P; cat file; echo; echo $HOME"), format!("{work}\nsent\n{work}"));
    place.run(&["exec", "two", "--", "ls", work]).ended_with(2);
    place.0.house.write("app/file", "again");
    place.run(&["sync", "one"]).succeeded();
    assert_eq!(place.said("one", "cat file; echo; stat -c %U file"), format!("again\n{first}"));
    let left = place.said("one", "cd /; env -i setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!");
    place.run(&["rm", "one", "two"]).succeeded();
    until("its processes are gone", || (!runs(&left)).then_some(()));
    let passwd = std::fs::read_to_string("/etc/passwd").expect("readable");
    assert!(!passwd.contains(&first) && !passwd.contains(&second));
    place.nothing_left();
}
