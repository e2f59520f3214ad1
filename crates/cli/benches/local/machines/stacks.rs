//! Compose stacks on a host: ours beside `ssh` with `git clone` and `docker compose`, as one does it by hand.

use crate::commands::binary;
use crate::sample::{Sample, Table};
use sandboxer_machinery::{Compose, Host, HostOptions, Network};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

const ROUNDS: usize = 10;
const HOSTS: [&str; 4] = ["one", "two", "three", "four"];
const TOGETHER: usize = 20;
/// Of the tree that is sent: so many files of so many bytes.
const FILES: (usize, usize) = (2500, 20_000);
/// Two services, of which one waits until the other is healthy.
const STACK: &str = "services:
  database:
    image: busybox
    init: true
    command: [sh, -c, 'touch /ready; exec sleep 100000']
    healthcheck: {test: [CMD, test, -e, /ready], interval: 100ms, retries: 100}
  web:
    image: busybox
    init: true
    command: [sleep, '100000']
    depends_on: {database: {condition: service_healthy}}
";

/// Hosts, and a place from where they are used.
struct Stage {
    // Before the network: they end first.
    hosts: Vec<Host>,
    network: Network,
    config: PathBuf,
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        let network = Network::new();
        let plugin = || HostOptions { compose: Compose::Plugin, ..HostOptions::default() };
        let hosts: Vec<Host> = HOSTS.iter().map(|name| network.host_with(name, plugin())).collect();
        for host in &hosts {
            host.engine().load_busybox();
            host.write("/home/app/compose.yaml", STACK);
            let git = |words: &[&str]| host.run(&[&["git", "-C", "/home/app"], words].concat());
            git(&["init", "-q", "-b", "main"]);
            git(&["add", "."]);
            git(&["-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-q", "-m", "app"]);
        }
        let names: Vec<_> = HOSTS.iter().copied().zip(hosts.iter().map(Host::address)).collect();
        let config = network.ssh_config(&names);
        Self { hosts, network, config, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ours(&self, words: &[&str]) -> Command {
        let mut command = self.network.command(binary());
        command.env("HOME", self.path("home")).env("SANDBOXER_SSH_CONFIG", &self.config);
        command.env("XDG_CONFIG_HOME", self.path("config")).arg("--state-dir").arg(self.path("state"));
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn by_hand(&self, host: &str, script: &str) -> Command {
        let mut command = self.network.command("ssh");
        command.arg("-F").arg(&self.config).args([host, script]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Every host as it was: nothing of a stack is left.
    fn check(&self) {
        for host in &self.hosts {
            assert!(host.engine().holdings().is_empty(), "{}: {:?}", host.name(), host.engine().holdings());
        }
    }
}

fn timed(mut command: Command) -> std::time::Duration {
    let begin = Instant::now();
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
    begin.elapsed()
}

/// What one round takes, step by step.
#[derive(Default)]
struct Steps(Vec<(&'static str, Vec<std::time::Duration>)>);

impl Steps {
    fn time(&mut self, step: &'static str, command: Command) {
        let span = timed(command);
        match self.0.iter_mut().find(|(name, _)| *name == step) {
            Some((_, spans)) => spans.push(span),
            None => self.0.push((step, vec![span])),
        }
    }

    fn tell(&self, table: &mut Table, who: &str, aims: &[(&str, &str)]) {
        for (step, spans) in &self.0 {
            let mut sample = Sample::empty();
            spans.iter().skip(1).for_each(|span| sample.add(*span));
            let aim = aims.iter().find(|(name, _)| name == step).map_or("-", |(_, aim)| aim);
            table.times(&format!("{who}: {step}"), &sample, aim);
        }
    }
}

pub(crate) fn measure(table: &mut Table) {
    let stage = Stage::new();
    rounds(table, &stage);
    second_sync(table, &stage);
    together(table, &stage);
}

/// One stack after another, ours and by hand in turns, so that both meet the same machine.
fn rounds(table: &mut Table, stage: &Stage) {
    let (mut ours, mut hand) = (Steps::default(), Steps::default());
    for _ in 0..=ROUNDS {
        let create =
            ["create", "compose", "--host", "one", "--name", "app", "-i", "repo=file:///home/app", "-i", "service=web"];
        ours.time("create to ready", stage.ours(&create));
        ours.time("first exec", stage.ours(&["exec", "app", "--", "true"]));
        ours.time("one-shot exec", stage.ours(&["exec", "app", "--", "true"]));
        ours.time("teardown", stage.ours(&["rm", "app"]));
        let up = "git clone -q file:///home/app work && cd work && docker compose up -d --wait";
        hand.time("create to ready", stage.by_hand("one", up));
        let exec = "cd work && docker compose exec -T web true";
        hand.time("first exec", stage.by_hand("one", exec));
        hand.time("one-shot exec", stage.by_hand("one", exec));
        hand.time("teardown", stage.by_hand("one", "cd work && docker compose down -v -t 0 && cd .. && rm -rf work"));
        stage.check();
    }
    ours.tell(table, "a stack", &[("create to ready", "≤ 1.1 × by hand")]);
    hand.tell(table, "by hand", &[]);
}

/// A tree of 50 MB in which one file has changed.
fn second_sync(table: &mut Table, stage: &Stage) {
    let tree = stage.path("tree");
    fill(&tree);
    let repo = format!("repo={}", tree.display());
    timed(stage.ours(&["create", "compose", "--host", "one", "--name", "tree", "-i", &repo, "-i", "service=web"]));
    let rsync = || {
        let mut command = stage.network.command("rsync");
        command.args(["-a", "--delete", "-e"]).arg(format!("ssh -F {}", stage.config.display()));
        command.arg(format!("{}/", tree.display())).arg("one:tree/");
        command
    };
    timed(rsync());
    let (mut ours, mut hand) = (Sample::empty(), Sample::empty());
    for round in 0..ROUNDS {
        std::fs::write(tree.join("part-7/file-7"), format!("changed {round}")).unwrap();
        ours.add(timed(stage.ours(&["sync", "tree"])));
        hand.add(timed(rsync()));
    }
    table.times("second sync of 50 MB, one file changed", &ours, "-");
    table.times("by hand: the same by rsync", &hand, "-");
    timed(stage.ours(&["rm", "tree"]));
    timed(stage.by_hand("one", "rm -rf tree"));
    stage.check();
}

fn fill(tree: &Path) {
    let (files, size) = FILES;
    for number in 0..files {
        let folder = tree.join(format!("part-{}", number % 50));
        std::fs::create_dir_all(&folder).unwrap();
        let bytes: Vec<u8> = (0..size).map(|place| u8::try_from((place * 31 + number) % 251).unwrap()).collect();
        std::fs::write(folder.join(format!("file-{number}")), bytes).unwrap();
    }
    std::fs::write(tree.join("compose.yaml"), STACK).unwrap();
}

/// Many at once, spread over the hosts.
fn together(table: &mut Table, stage: &Stage) {
    let all = |commands: Vec<Command>| {
        let begin = Instant::now();
        let children: Vec<_> = commands.into_iter().map(|mut command| command.spawn().unwrap()).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        begin.elapsed().as_secs_f64()
    };
    let host = |number: usize| HOSTS[number % HOSTS.len()];
    let create = |number: usize| {
        let name = format!("app-{number}");
        stage.ours(&[
            "create",
            "compose",
            "--host",
            host(number),
            "--name",
            &name,
            "-i",
            "repo=file:///home/app",
            "-i",
            "service=web",
        ])
    };
    let created = all((0..TOGETHER).map(create).collect());
    let removed = all((0..TOGETHER).map(|number| stage.ours(&["rm", &format!("app-{number}")])).collect());
    stage.check();
    let up = |number: usize| {
        let script =
            format!("git clone -q file:///home/app work-{number} && cd work-{number} && docker compose up -d --wait");
        stage.by_hand(host(number), &script)
    };
    let down = |number: usize| {
        let script = format!("cd work-{number} && docker compose down -v -t 0 && cd .. && rm -rf work-{number}");
        stage.by_hand(host(number), &script)
    };
    let up = all((0..TOGETHER).map(up).collect());
    let down = all((0..TOGETHER).map(down).collect());
    stage.check();
    let what = format!("{TOGETHER} stacks at once on {} hosts", HOSTS.len());
    table.figures(&what, &format!("{created:.1} s, and {removed:.1} s to remove them"), "-");
    table.figures("by hand: the same", &format!("{up:.1} s, and {down:.1} s to remove them"), "-");
}
