//! Sandboxes on a host behind ssh: where they are placed, what holds there, and what is owed while the host is away. Each test has
//! an ssh server of its own.

use crate::support::{Outcome, Servers, until};
use sandboxer_reach::{Lease, Machines, Route, SshSettings};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An extension of three methods whose sandboxes are folders of the host, by the engine's word alone. It never goes there.
const EXTENSION: &str = "\
from sandboxer.extensions.base import SandboxExtension


class Remote(SandboxExtension):
    def provision(self, profile, inputs, host):
        return {'sandbox_id': inputs['sandbox_id'], 'host': host, 'ssh': self.call.ssh}

    def wait_ready(self, handle):
        reached = {'ssh': handle['ssh'], 'host': handle['host']}
        if 'marks' in self.config:
            reached['expire'] = ['touch', self.config['marks'] + '/' + handle['sandbox_id']]
        return reached

    def teardown(self, handle):
        assert self.call.ssh == handle.get('ssh', self.call.ssh)
        return {'complete': True}
";

/// A house with a server that ssh knows as `build`, and a catalog in which it is the host `build-1`.
struct Place(Servers);

impl Place {
    fn new() -> Self {
        let place = Servers::new(&["build"]);
        let house = &place.house;
        std::fs::create_dir(house.path("marks")).expect("a new folder");
        let bare = "id: ext.bare\ntitle: Folders\nhandler: remote:Remote\ncapabilities: {isolation_levels: [none], \
                    pricing_model: self-hosted}\n";
        house.write("catalog/extensions/ext.bare.yaml", bare);
        house.write("catalog/profiles/profile.bare.yaml", "id: profile.bare\nextension: ext.bare\n");
        let manifest = format!(
            "id: ext.remote\ntitle: Folders\nhandler: remote:Remote\ncapabilities: {{isolation_levels: [none], pricing_model: \
             self-hosted}}\nconfig: {{marks: {}}}\n",
            house.path("marks").display()
        );
        house.write("catalog/extensions/ext.remote.yaml", manifest);
        house.write("catalog/extensions/remote.py", EXTENSION);
        house.write("catalog/profiles/profile.remote.yaml", "id: profile.remote\nextension: ext.remote\n");
        house.write("catalog/hosts.yaml", "hosts:\n  - id: build-1\n    ssh: build\n    slots: 1\n");
        Self(place)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Outcome {
        self.0.run(arguments)
    }

    /// The leases that the host holds.
    fn leases(&self) -> Vec<Lease> {
        let mut settings = SshSettings::new(self.0.house.state().join("ssh"));
        settings.config = Some(self.0.config());
        let ways = Machines::new(settings, env!("CARGO_BIN_EXE_sandboxer"), self.0.house.state().join("here"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let route = Route::to(Some("build".parse().expect("an alias")));
            ways.at(&route).await.expect("a machine").leases().await.expect("it answers")
        })
    }

    fn mark(&self, id: &str) -> PathBuf {
        self.0.house.path("marks").join(id)
    }
}

fn id_of(outcome: &Outcome) -> String {
    outcome.json()["sandbox_id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_sandbox_lives_on_a_host_which_holds_its_lease() {
    let place = Place::new();
    let made = place.run(&["--json", "create", "remote", "--host", "build-1", "--ttl", "10m", "--name", "one"]);
    let made = made.succeeded();
    let (status, id) = (made.json(), id_of(&made));
    assert_eq!((&status["host"], &status["reachability"]["ssh"]), (&"build-1".into(), &"build".into()), "{status:#}");
    assert!(status["conditions"].is_null(), "{status:#}");
    let home = place.0.home("build").display().to_string();
    let said = place.run(&["exec", "one", "--", "sh", "-c", "echo $HOME"]).succeeded().text();
    assert_eq!(said.trim(), home, "it runs there");

    let remaining = |leases: Vec<Lease>| match leases.as_slice() {
        [Lease { name, remaining: Some(remaining), .. }]
            if name.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('-')) =>
        {
            *remaining
        }
        other => panic!("not its lease alone: {other:?}"),
    };
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let first = remaining(place.leases());
    assert!(minutes(10) < first && first <= minutes(11), "{first:?}");
    place.run(&["extend", "one", "1h"]).succeeded();
    let moved = remaining(place.leases());
    assert!(minutes(60) < moved && moved <= minutes(65), "{moved:?}");

    let full = place.run(&["create", "remote", "--host", "build-1"]).ended_with(5);
    assert!(full.stderr.contains("`build-1` has room for 1"), "{}", full.stderr);
    let removed = place.run(&["--json", "rm", "one"]).succeeded().json();
    assert!(removed.to_string().contains("the lease"), "{removed:#}");
    assert_eq!(place.leases(), []);
}

#[test]
fn what_is_owed_to_a_host_that_is_away_is_done_when_it_is_back() {
    let place = Place::new();
    let made = place.run(&["--json", "create", "remote", "--host", "build-1", "--name", "one"]).succeeded();
    let id = id_of(&made);
    place.0.server("build").stop();
    let owed = place.run(&["rm", "one"]).ended_with(8);
    assert!(owed.stderr.contains("the lease") && owed.stderr.contains("build"), "{}", owed.stderr);
    let status = place.run(&["--json", "show", &id]).succeeded().json();
    assert_eq!((&status["state"], &status["conditions"][0]["kind"]), (&"tearing_down".into(), &"teardown_owed".into()));
    place.0.server("build").start_again();
    assert_eq!(place.leases().len(), 1, "until then, the host would have removed it");
    place.run(&["rm", &id]).succeeded();
    assert_eq!(place.leases(), []);
    assert_eq!(place.run(&["--json", "ls"]).succeeded().json()["sandboxes"], serde_json::json!([]));
    assert!(!place.mark(&id).exists());
}

#[test]
fn a_host_removes_what_nobody_comes_back_for() {
    let place = Place::new();
    let made = place.run(&["--json", "create", "remote", "--host", "build-1", "--ttl", "1s"]).succeeded();
    let id = id_of(&made);
    // The engine is gone for good, with all it knew.
    std::fs::remove_file(place.0.house.state().join("store.sqlite")).expect("there");
    until("the host ends it", || place.mark(&id).exists().then_some(()));
    until("nothing is held any more", || place.leases().is_empty().then_some(()));
}

/// Starts a command that goes on, and returns where the kernel tells of it.
fn lasting(place: &Place, id: &str) -> PathBuf {
    let number = place.0.home("build").join("number");
    let script = "cd \"$HOME\" && echo $$ > number.new && mv number.new number && exec sleep 1000";
    place.run(&["exec", "-d", id, "--", "sh", "-c", script]).succeeded();
    let number = until("it runs", || std::fs::read_to_string(&number).ok());
    let process = PathBuf::from("/proc").join(number.trim());
    // For an instant of becoming another program, a process has no words.
    until("it sleeps", || lives(&process).then_some(()));
    process
}

/// One that only waits for its parent has no words any more.
fn lives(process: &Path) -> bool {
    std::fs::read(process.join("cmdline")).is_ok_and(|words| !words.is_empty())
}

#[test]
fn what_runs_there_ends_with_the_sandbox_or_with_its_lease() {
    let place = Place::new();
    let made = place.run(&["--json", "create", "bare", "--host", "build-1"]).succeeded();
    let process = lasting(&place, &id_of(&made));
    place.run(&["rm", &id_of(&made)]).succeeded();
    assert!(!lives(&process), "what was started in it is gone with it");

    std::fs::remove_file(place.0.home("build").join("number")).expect("there");
    let made = place.run(&["--json", "create", "bare", "--host", "build-1", "--ttl", "10s"]).succeeded();
    let process = lasting(&place, &id_of(&made));
    std::fs::remove_file(place.0.house.state().join("store.sqlite")).expect("there");
    until("the host ends it", || (!lives(&process)).then_some(()));
}

#[test]
fn hosts_are_those_of_the_catalog_and_the_aliases_of_ssh() {
    let place = Place::new();
    let made = place.run(&["--json", "create", "remote", "--host", "build"]).succeeded();
    assert_eq!(made.json()["reachability"]["ssh"], "build");
    place.run(&["rm", &id_of(&made)]).succeeded();
    for (host, said) in [("build-2", "did you mean `build-1`?"), ("UPPER", "no host `UPPER`"), ("as", "no host `as`")] {
        let refused = place.run(&["create", "remote", "--host", host]).ended_with(3);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    let refused = place.run(&["create", "local", "--host", "build-1"]).ended_with(4);
    assert!(refused.stderr.contains("`ext.local` makes sandboxes on `localhost`"), "{}", refused.stderr);
}

#[test]
fn a_host_that_cannot_be_reached_leaves_nothing_behind_here() {
    let place = Place::new();
    place.0.server("build").stop();
    let failed = place.run(&["create", "remote", "--host", "build-1", "--name", "one"]).ended_with(5);
    assert!(failed.stderr.contains("owed") && failed.stderr.contains("build"), "{}", failed.stderr);
    place.0.server("build").start_again();
    place.run(&["rm", "one"]).succeeded();
    assert_eq!(place.leases(), []);
}
