//! A host, and what can go wrong with it.

use crate::contents;
use crate::docker::{self, Compose, Engine};
use crate::network::Core;
use crate::processes::{Process, is_sshd};
use crate::space::Space;
use crate::sshd::make_key;
use crate::tools;
use crate::virtual_machine::VirtualMachine;
use crate::wait::until;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// What a host is like.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// Lines for the configuration of its sshd, which else has its own limits.
    pub sshd: String,
    /// Logins go by PAM, as on most machines.
    pub pam: bool,
    /// The shell of its root; bash by default.
    pub login_shell: Option<&'static str>,
    /// A compose tool; with one of docker's, an engine runs, too.
    pub compose: Compose,
}

/// A machine in a [`crate::Network`]. It can write to its root's home, `/home`, `/tmp`, `/run` and other such places, which
/// are its own, and to no other; programs are those of this machine.
#[derive(Debug)]
pub struct Host {
    // Before the space: it ends first.
    engine: Option<Engine>,
    space: Arc<Space>,
    network: Arc<Core>,
    address: SocketAddr,
    name: String,
    at_first: BTreeSet<String>,
}

/// Rules for packets of the outside alone.
const CHAINS: [(&str, &str); 2] = [("input", "iifname"), ("output", "oifname")];

impl Host {
    pub(crate) fn start(network: Arc<Core>, name: &str, options: HostOptions) -> Self {
        let space = Arc::new(Space::host(name, &tools::folder()));
        let address = SocketAddr::from((network.join(&space), 22));
        let mut host = Self { engine: None, space, network, address, name: name.to_owned(), at_first: BTreeSet::new() };
        host.write("/etc/ssh/authorized_keys", fs::read_to_string(host.network.path("id.pub")).expect("ours"));
        host.change_key();
        host.write("/etc/ssh/sshd_config", sshd_config(&options));
        host.login_shell(options.login_shell.unwrap_or("/bin/bash"));
        options.compose.prepare(&host);
        host.start_sshd();
        if options.compose.needs_engine() {
            host.engine = Some(Engine::start(Arc::clone(&host.space)));
        }
        host.at_first = contents::of(&host.space);
        host
    }

    /// What the host calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its sshd listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As ssh takes it.
    pub fn destination(&self) -> String {
        format!("root@{}", self.address.ip())
    }

    /// Its engine. Panics where it has none.
    #[track_caller]
    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("a host with an engine")
    }

    /// Whether it has one.
    pub fn has_engine(&self) -> bool {
        self.engine.is_some()
    }

    /// Gives podman there the image `busybox:latest`, as [`Engine::load_busybox`] does.
    pub fn load_busybox_for_podman(&self) {
        docker::load_busybox(&self.space, "podman");
    }

    /// A program, to be run on the host without ssh.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.space.command(program)
    }

    /// Runs a program there to its end, and returns what it printed. Panics when it fails.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> String {
        self.space.run(words)
    }

    /// Where a file of the host is seen from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.space.path(inside)
    }

    /// Writes a file there, with the folders that lead to it.
    pub fn write(&self, inside: &str, text: impl AsRef<[u8]>) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("absolute")).expect("a place to write");
        fs::write(path, text).expect("a place to write");
    }

    /// Writes a program there.
    pub fn write_program(&self, inside: &str, text: &str) {
        self.write(inside, text);
        fs::set_permissions(self.path(inside), fs::Permissions::from_mode(0o755)).expect("ours");
    }

    /// Gives its root another login shell, from the next login on.
    pub fn login_shell(&self, shell: &str) {
        let accounts = fs::read_to_string(self.path("/etc/passwd")).expect("every machine has it");
        let others = accounts.lines().filter(|line| !line.starts_with("root:"));
        let root = format!("root:x:0:0:root:/root:{shell}");
        let text: Vec<&str> = std::iter::once(root.as_str()).chain(others).collect();
        self.write("/etc/passwd", text.join("\n") + "\n");
    }

    /// Gives it another key, from the next start of its sshd on.
    pub fn change_key(&self) {
        let key = self.network.path(&format!("host-{}", self.name));
        for old in [key.clone(), key.with_extension("pub")].iter().filter(|path| path.exists()) {
            fs::remove_file(old).expect("ours");
        }
        make_key(&key);
        self.write("/etc/ssh/host_key", fs::read(&key).expect("ours"));
        fs::set_permissions(self.path("/etc/ssh/host_key"), fs::Permissions::from_mode(0o600)).expect("ours");
    }

    /// What runs there, but for sshd and the engine with their own.
    pub fn processes(&self) -> Vec<Process> {
        let is_its_own = |process: &Process| {
            let command = process.command.as_str();
            is_sshd(process)
                || ["dockerd ", "containerd ", "containerd-shim", "docker-proxy "]
                    .iter()
                    .any(|own| command.contains(own))
        };
        self.space.processes().into_iter().filter(|process| !is_its_own(process)).collect()
    }

    /// The paths of what is in its places to write and was not at first, in order. The engine's own are not among them.
    pub fn contents(&self) -> Vec<String> {
        contents::of(&self.space).difference(&self.at_first).cloned().collect()
    }

    // What goes wrong with ssh.

    /// Starts its sshd.
    pub fn start_sshd(&self) {
        // Written once it listens.
        let listens = self.path("/run/sshd.pid");
        self.space.run(&["rm", "-f", "/run/sshd.pid"]);
        self.space.run(&["/usr/sbin/sshd", "-E", "/run/sshd.log"]);
        until("sshd listens", || fs::read_to_string(&listens).is_ok_and(|pid| pid.ends_with('\n')).then_some(()));
    }

    /// Ends its sshd and every connection to it.
    pub fn stop_sshd(&self) {
        // The one that listens first, so that no new ones begin.
        for process in self.sshds() {
            crate::end(process.pid);
        }
    }

    /// Ends all connections; new ones are accepted.
    pub fn drop_connections(&self) {
        for process in self.sshds().iter().filter(|process| !process.command.contains("[listener]")) {
            crate::end(process.pid);
        }
    }

    /// Its sshd and all of its connections stand still: nothing is closed, nothing answers.
    pub fn freeze_sshd(&self) {
        self.sshds().iter().for_each(|process| process.signal(Signal::STOP));
    }

    /// They go on.
    pub fn thaw_sshd(&self) {
        self.sshds().iter().for_each(|process| process.signal(Signal::CONT));
    }

    fn sshds(&self) -> Vec<Process> {
        let mut found: Vec<Process> = self.space.processes().into_iter().filter(is_sshd).collect();
        found.sort_by_key(|process| !process.command.contains("[listener]"));
        found
    }

    // What goes wrong with the network.

    /// Nothing comes in or goes out, and nobody is told.
    pub fn cut(&self) {
        self.rule("drop");
    }

    /// Every packet is answered with a refusal.
    pub fn refuse(&self) {
        self.rule("meta l4proto tcp reject with tcp reset");
    }

    /// So many of a hundred packets are lost, in each direction, at random.
    pub fn lose(&self, percent: u8) {
        self.rule(&format!("numgen random mod 100 < {percent} drop"));
    }

    /// Everything goes through again.
    pub fn restore(&self) {
        self.space.run_with_input(&["nft", "-f", "-"], b"table inet faults\ndelete table inet faults\n");
    }

    /// In one transaction, in place of the rules before.
    fn rule(&self, what: &str) {
        let mut text = "table inet faults\ndelete table inet faults\ntable inet faults {\n".to_owned();
        for (hook, interface) in CHAINS {
            let chain = format!("type filter hook {hook} priority -300; {interface} != \"lo\" {what}");
            text += &format!("chain {hook} {{ {chain}\n }}\n");
        }
        self.space.run_with_input(&["nft", "-f", "-"], (text + "}\n").as_bytes());
    }

    /// The cable is out.
    pub fn unplug(&self) {
        self.space.run(&["ip", "link", "set", "eth0", "down"]);
    }

    /// It is in again.
    pub fn plug(&self) {
        self.space.run(&["ip", "link", "set", "eth0", "up"]);
    }

    // What goes wrong with the machine.

    /// Ends everything that runs there at once, and starts sshd and the engine again. What is on disk stays.
    pub fn reboot(&self) {
        self.space.run(&["/bin/sh", "-c", "kill -9 -1"]);
        until("nothing runs there", || self.space.processes().is_empty().then_some(()));
        self.start_sshd();
        if let Some(engine) = &self.engine {
            engine.start_after_reboot();
        }
    }

    /// A folder there gets a new, empty disk of so many bytes.
    pub fn small_disk(&self, folder: &str, bytes: u64) {
        self.space.run(&["mkdir", "-p", folder]);
        self.space.run(&["mount", "-t", "tmpfs", "-o", &format!("size={bytes},mode=700"), "none", folder]);
    }

    /// It has its old one again.
    pub fn remove_disk(&self, folder: &str) {
        self.space.run(&["umount", "-l", folder]);
    }

    /// A machine with a kernel of its own: its ssh port is one of 127.0.0.1 on this host, so that a caller reaches it only
    /// by way of the host. It outlives a reboot of the host.
    pub fn virtual_machine(&self, name: &str) -> VirtualMachine {
        VirtualMachine::start(&self.space, name, &fs::read_to_string(self.network.path("id.pub")).expect("ours"))
    }
}

fn sshd_config(options: &HostOptions) -> String {
    let HostOptions { sshd, pam, compose, .. } = options;
    let pam = if *pam { "yes" } else { "no" };
    format!(
        "{sshd}\nHostKey /etc/ssh/host_key\nAuthorizedKeysFile /etc/ssh/authorized_keys\nUsePAM {pam}\n\
         PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nSubsystem sftp \
         internal-sftp\n{}\n",
        compose.environment()
    )
}
