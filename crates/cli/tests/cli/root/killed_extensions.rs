//! Extensions that are programs, in Python, shell and Rust: killed at random instants, and so is `sandboxer`. Whatever was
//! going on, after a `reconcile` the backend holds what the store says it holds.
//!
//! `SANDBOXER_TEST_KILLS` says how many instants each has; `SANDBOXER_TEST_SEED` repeats a run.

use super::crash::Random;
use super::docs::{Step, steps};
use crate::support::{House, Outcome, Running, Who};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So many instants each. The thousands are `cargo xtask soak`'s.
const KILLS: usize = 40;

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Sandboxer,
    Extension,
    Both,
}

/// A backend that keeps a folder of what it made.
struct Backend {
    house: House,
    profile: &'static str,
    /// Where it keeps what it makes.
    inventory: PathBuf,
    random: Random,
}

impl Backend {
    /// The extension that a page of the documentation shows.
    fn of_page(page: &str, profile: &'static str, inventory: &str) -> Self {
        let house = House::new(Who::Caller);
        for step in steps(page) {
            let Step::File { name, contents } = step else { continue };
            let path = house.write(&name, contents);
            if name.ends_with(".sh") {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("ours");
            }
        }
        Self::in_house(house, profile, inventory)
    }

    /// The one in Rust, of the kit.
    fn in_rust() -> Self {
        let house = House::new(Who::Caller);
        let manifest = "id: ext.folder
title: A folder
handler: exec:folder
capabilities: {isolation_levels: [none], pricing_model: free, verbs: [validate, recover, list, status]}
config: {folder: ../kept}
";
        house.write("extensions/ext.folder.yaml", manifest);
        house.write("profiles/profile.folder.yaml", "id: profile.folder\nextension: ext.folder\n");
        let built = Path::new(env!("CARGO_BIN_EXE_sandboxer")).with_file_name("examples").join("folder");
        std::fs::copy(&built, house.work().join("extensions/folder"))
            .unwrap_or_else(|error| panic!("{}: {error}; build the examples first", built.display()));
        Self::in_house(house, "folder", "kept")
    }

    fn in_house(house: House, profile: &'static str, inventory: &str) -> Self {
        std::fs::create_dir(house.path("programs")).expect("ours");
        symlink(env!("CARGO_BIN_EXE_sandboxer"), house.path("programs/sandboxer")).expect("ours");
        let inventory = house.work().join(inventory);
        std::fs::create_dir(&inventory).expect("ours");
        // By this the one in shell knows that its backend is there.
        std::fs::write(inventory.join(".backend"), "").expect("ours");
        Self { house, profile, inventory, random: Random::new() }
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.house.command(&["--catalog", "."]);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.house.path("programs").display());
        command.args(arguments).env("PATH", path);
        Running::start(command, None)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Outcome {
        self.house.noted(self.start(arguments).finish())
    }

    /// How long a command takes that nobody disturbs.
    fn span(&self, arguments: &[&str]) -> Duration {
        let start = Instant::now();
        self.run(arguments).succeeded();
        start.elapsed().mul_f64(1.1)
    }

    /// Runs a command, and kills somebody at a random instant of it.
    fn kill(&mut self, arguments: &[&str], span: Duration) {
        let victim = match self.random.next() % 3 {
            0 => Victim::Sandboxer,
            1 => Victim::Extension,
            _ => Victim::Both,
        };
        let delay = self.random.within(span);
        let running = self.start(arguments);
        if !running.ends_within(delay) {
            if matches!(victim, Victim::Extension | Victim::Both) {
                kill_all(&self.extensions());
            }
            if matches!(victim, Victim::Sandboxer | Victim::Both) {
                running.signal(Signal::KILL);
            }
        }
        self.house.noted(running.finish());
    }

    /// The processes that `sandboxer` has started here and that lead their groups.
    fn extensions(&self) -> Vec<i32> {
        let folder = self.house.work().join("extensions");
        let leads_here = |pid: &i32| {
            let process = Path::new("/proc").join(pid.to_string());
            let is_here = std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder);
            let group = std::fs::read_to_string(process.join("stat"))
                .ok()
                .and_then(|stat| stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse::<i32>().ok());
            is_here && group == Some(*pid)
        };
        pids().filter(leads_here).collect()
    }

    /// The agents of its sandboxes, by the sandboxes' ids.
    fn agents(&self) -> BTreeSet<String> {
        let begin = format!("unix:{}/", self.inventory.display());
        let agent_of = |pid| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let mut words = words.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
            let below = words.find_map(|word| word.strip_prefix(&begin).map(str::to_owned))?;
            Some(below.split('/').next()?.to_owned())
        };
        pids().filter_map(agent_of).collect()
    }

    fn kept(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(&self.inventory).expect("there").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with('.')).collect()
    }

    /// After a `reconcile`: the sandboxes that are ready, all others being gone, in the store as in the backend.
    fn comes_together(&self) -> Vec<String> {
        self.run(&["reconcile"]).succeeded();
        let listed = self.run(&["ls", "--json"]).succeeded().json();
        let mut ready = BTreeSet::new();
        for sandbox in listed["sandboxes"].as_array().expect("a list") {
            assert_eq!(sandbox["state"], "ready", "neither ready nor gone: {sandbox}");
            ready.insert(sandbox["sandbox_id"].as_str().expect("an id").to_owned());
        }
        assert_eq!(self.kept(), ready, "what is kept is not what is said to be ready");
        assert!(self.agents().is_subset(&ready), "agents of {:?}, but ready are {ready:?}", self.agents());
        assert_eq!(self.extensions(), Vec::<i32>::new(), "an extension still runs");
        ready.into_iter().collect()
    }

    fn repeat(mut self) {
        let (create, remove) = (["create", self.profile], ["rm", "--all"]);
        let (creating, removing) = (self.span(&create), self.span(&remove));
        let mut left = kills();
        while left > 0 {
            self.kill(&create, creating);
            left -= 1;
            let ready = self.comes_together();
            if let (Some(id), true) = (ready.first(), left > 0 && left.is_multiple_of(2)) {
                self.kill(&["rm", id], removing);
                left -= 1;
                self.comes_together();
            }
        }
        self.run(&remove).succeeded();
        assert_eq!(self.comes_together(), Vec::<String>::new());
        assert_eq!(self.agents(), BTreeSet::new());
        assert_eq!(self.run(&["orphans"]).status, 0);
    }
}

#[allow(clippy::disallowed_methods, reason = "a test is told from outside how long to go on")]
fn kills() -> usize {
    std::env::var("SANDBOXER_TEST_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"))
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").expect("there").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn kill_all(pids: &[i32]) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // It may just have ended by itself.
        if let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) {
            pidfd_send_signal(&process, Signal::KILL).unwrap_or_default();
        }
    }
}

#[test]
fn in_python() {
    Backend::of_page(include_str!("../../../../../docs/extension-sdk.md"), "mine", "boxes").repeat();
}

#[test]
fn in_shell() {
    Backend::of_page(include_str!("../../../../../docs/extension-protocol.md"), "scratch", "boxes").repeat();
}

#[test]
fn in_rust() {
    Backend::in_rust().repeat();
}
