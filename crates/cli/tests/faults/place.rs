//! A house, and hosts that it reaches.

use crate::support::{House, Outcome, Running, Who, until};
use sandboxer_machinery::{Compose, Host, HostOptions, Network, Process, Proxy, end, until_or};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// Makes a workspace of `app` on the machine `build`.
pub(crate) const WORKSPACE: &[&str] = &["create", "vm-haskell-build", "-i", "ssh_target=build", "--repo", "app"];
/// Makes the stack of `app` on the host `build-1`, which is the same machine.
pub(crate) const STACK: &[&str] = &["create", "compose", "--host", "build-1", "--repo", "app"];

const COMPOSE: &str = "services:\n  web:\n    image: busybox\n    command: httpd -f -p 80\n    ports: [\"8080:80\"]\n    \
                       volumes: [\"data:/data\"]\nvolumes: {data: {}}\n";

/// A house in a network with one host, which ssh knows as `build` and the catalog as `build-1`.
pub(crate) struct Place {
    pub(crate) house: House,
    pub(crate) host: Host,
    pub(crate) network: Network,
}

impl Place {
    /// With a host of that kind.
    pub(crate) fn new(options: HostOptions) -> Self {
        let network = Network::new();
        let host = network.host_with("build", options);
        let mut house = House::new(Who::Caller);
        house.move_program_in();
        let prefix = network.prefix();
        let words: [&str; 4] = std::array::from_fn(|index| prefix[index].as_str());
        house.run_through(words);
        house.write("catalog/hosts.yaml", "hosts:\n  - id: build-1\n    ssh: build\n");
        house.write("app/compose.yaml", COMPOSE);
        let place = Self { house, host, network };
        place.leads_to(place.host.address());
        place
    }

    /// With an engine.
    pub(crate) fn with_engine() -> Self {
        let place = Self::new(HostOptions { compose: Compose::Plugin, ..HostOptions::default() });
        place.host.engine().load_busybox();
        place
    }

    /// Has `build` lead somewhere else, from the next connection on.
    pub(crate) fn leads_to(&self, address: SocketAddr) {
        self.network.ssh_config(&[("build", address)]);
    }

    /// Has `build` lead to the host by a proxy.
    pub(crate) fn by_proxy(&self, delay: Duration) -> Proxy {
        let proxy = self.network.proxy(self.host.address(), delay);
        self.leads_to(proxy.address());
        proxy
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.house.command(&[&["--catalog", "catalog"], words].concat());
        command.env("SANDBOXER_SSH_CONFIG", self.network.ssh_config_path());
        command
    }

    pub(crate) fn start(&self, words: &[&str]) -> Running {
        Running::start(self.command(words), None)
    }

    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> Outcome {
        self.house.noted(self.start(words).finish())
    }

    /// Makes a sandbox of that name.
    #[track_caller]
    pub(crate) fn create(&self, words: &[&str], name: &str) -> Outcome {
        self.run(&[words, &["--name", name]].concat())
    }

    /// What the store says there is: each sandbox's state.
    pub(crate) fn states(&self) -> Vec<String> {
        let listed = self.run(&["ls", "--json"]).succeeded().json();
        let sandboxes = listed["sandboxes"].as_array().expect("a list").iter();
        sandboxes.map(|one| one["state"].as_str().expect("a state").to_owned()).collect()
    }

    /// Ends this house's connections in the background, as a machine of a user's does that is switched off.
    pub(crate) fn end_connections(&self) {
        let state = self.house.state().display().to_string();
        for process in Process::all().filter(|process| process.command.contains(&state)) {
            end(process.pid);
        }
    }

    /// A create, commands, a removal, and nothing left.
    #[track_caller]
    pub(crate) fn works(&self, create: &[&str]) {
        self.create(create, "one").succeeded();
        self.run(&["exec", "one", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]).ended_with(7);
        self.run(&["rm", "one"]).succeeded();
        self.settles();
    }

    /// Whatever a command has come to: all that is owed is done, all sandboxes are removed, and nothing is left.
    #[track_caller]
    pub(crate) fn settles(&self) {
        self.settles_after("");
    }

    /// The same; a failure says what came before.
    #[track_caller]
    pub(crate) fn settles_after(&self, case: &str) {
        let reconciled = self.run(&["reconcile"]);
        assert_eq!(reconciled.status, 0, "{case}\nthen {}", reconciled.stderr);
        let removed = self.run(&["rm", "--all"]);
        assert_eq!(removed.status, 0, "{case}\nthen {}", removed.stderr);
        assert_eq!(self.states(), [""; 0], "{case}");
        let is_clean = until_or(Duration::from_secs(30), || self.left().is_empty().then_some(()));
        assert!(is_clean.is_some(), "{case}\nleft on the host: {:#?}", self.left());
    }

    /// On the host is nothing but the cached binary, and what that keeps ready for the next sandbox.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        let left = until_or(Duration::from_secs(30), || {
            let left = self.left();
            left.is_empty().then_some(())
        });
        assert!(left.is_some(), "left on the host: {:#?}", self.left());
    }

    /// What is on the host and should not be once all is gone.
    pub(crate) fn left(&self) -> Vec<String> {
        let is_kept = |path: &String| {
            let is_folder = self.host.path(path).is_dir() && !path.contains("sbx");
            let is_cached =
                path.starts_with("/root/.cache/sandboxer/") && !path.contains("sbx") && !path.contains(".agent-");
            // Of the shell's own.
            is_folder || is_cached || path.contains("/fish/")
        };
        let contents = self.host.contents().into_iter().filter(|path| !is_kept(path));
        let mut left: Vec<String> = contents.map(|path| self.shown(path)).collect();
        let is_agent = |process: &Process| process.command.contains("/agent-") && process.command.contains(" agent ");
        let (agents, others): (Vec<Process>, Vec<Process>) = self.host.processes().into_iter().partition(is_agent);
        left.extend(others.into_iter().map(|process| process.command));
        if agents.len() > 1 {
            left.extend(agents.iter().map(shown_agent));
        }
        if self.host.has_engine() {
            let holdings = self.host.engine().holdings();
            if !holdings.is_empty() {
                left.push(format!("{holdings:?}"));
            }
        }
        left
    }
}

impl Place {
    /// A path, and of a log what it says.
    fn shown(&self, path: String) -> String {
        if !path.ends_with(".log") {
            return path;
        }
        let text = std::fs::read_to_string(self.host.path(&path)).unwrap_or_default();
        format!("{path}: {text}")
    }
}

/// An agent, and whose it is.
fn shown_agent(process: &Process) -> String {
    let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
    let environment = String::from_utf8_lossy(&environment).replace('\0', " ");
    format!("{} with {environment}", process.command)
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end_connections();
        until("no connection is left", || {
            let state = self.house.state().display().to_string();
            (!Process::all().any(|process| process.command.contains(&state))).then_some(())
        });
    }
}
