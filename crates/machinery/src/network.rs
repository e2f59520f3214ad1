//! Hosts that see each other and a caller, and nobody else.

use crate::proxy::Proxy;
use crate::space::Space;
use crate::sshd::make_key;
use crate::virtual_machine::VirtualMachine;
use crate::{Host, HostOptions};
use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// A network with nothing else in it. Whoever acts on the hosts must be inside: [`Network::prefix`].
///
/// Its parts are the kernel's, and end when this and all of its hosts are dropped, or their process ends.
#[derive(Debug)]
pub struct Network {
    core: Arc<Core>,
}

/// What hosts hold, too.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) space: Space,
    folder: TempDir,
    /// Held as long as somebody uses the folder, also by who has no time to remove it.
    _lock: File,
    last: AtomicU8,
}

/// Of the addresses that documents use; no way leads out of this network.
const ADDRESSES: [u8; 3] = [192, 0, 2];

impl Network {
    /// A network without hosts, and a key with which its callers log in.
    pub fn new() -> Self {
        let space = Space::network();
        space.run(&["ip", "link", "add", "hub", "type", "bridge"]);
        space.run(&["ip", "address", "add", "192.0.2.1/24", "dev", "hub"]);
        space.run(&["ip", "link", "set", "hub", "up"]);
        remove_leftovers();
        let folder = TempDir::with_prefix(FOLDERS).expect("a temporary folder");
        let lock = lock(folder.path());
        make_key(&folder.path().join("id"));
        make_key(&folder.path().join("other"));
        Self { core: Arc::new(Core { space, folder, _lock: lock, last: AtomicU8::new(10) }) }
    }

    /// A host in good order: sshd as it comes, bash, an empty home, no engine.
    pub fn host(&self, name: &str) -> Host {
        self.host_with(name, HostOptions::default())
    }

    /// A host of another kind. Names are like those of machines: letters, digits, `-`.
    pub fn host_with(&self, name: &str, options: HostOptions) -> Host {
        Host::start(Arc::clone(&self.core), name, options)
    }

    /// The words that precede a program's, so that it runs in this network, with the files and rights of this process.
    pub fn prefix(&self) -> Vec<String> {
        self.core.space.prefix()
    }

    /// A program, to be run in this network.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.core.space.command(program)
    }

    /// The key that may log in to every host.
    pub fn identity(&self) -> PathBuf {
        self.core.path("id")
    }

    /// One that may not.
    pub fn other_identity(&self) -> PathBuf {
        self.core.path("other")
    }

    /// A configuration of ssh's in which each of these names leads to its address. Keys of hosts are accepted and kept in
    /// the network's own folder.
    pub fn ssh_config(&self, hosts: &[(&str, SocketAddr)]) -> PathBuf {
        let mut text = String::new();
        for (name, address) in hosts {
            writeln!(text, "Host {name}\n  HostName {}\n  Port {}", address.ip(), address.port()).expect("memory");
        }
        writeln!(
            text,
            "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
             GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking accept-new",
            self.identity().display(),
            self.core.path("known").display(),
        )
        .expect("memory");
        let path = self.ssh_config_path();
        std::fs::write(&path, text).expect("ours");
        path
    }

    /// Where [`Network::ssh_config`] writes.
    pub fn ssh_config_path(&self) -> PathBuf {
        self.core.path("config")
    }

    /// A way to a host that takes `delay` in each direction and can be cut.
    pub fn proxy(&self, to: SocketAddr, delay: Duration) -> Proxy {
        Proxy::start(&self.core.space, to, delay)
    }

    /// A machine with a kernel of its own: its ssh port is one of 127.0.0.1 in this network.
    pub fn virtual_machine(&self, name: &str) -> VirtualMachine {
        let key = std::fs::read_to_string(self.core.path("id.pub")).expect("ours");
        VirtualMachine::start(&self.core.space, name, &key)
    }
}

/// How the folders of networks begin.
const FOLDERS: &str = "sandboxer-network-";

/// The lock of a new folder; it has its name only once it is held.
fn lock(folder: &Path) -> File {
    let lock = File::create(folder.join("lock.new")).expect("ours");
    lock.lock().expect("nobody else has it");
    std::fs::rename(folder.join("lock.new"), folder.join("lock")).expect("ours");
    lock
}

/// Removes the folders of tests that were killed: all else of theirs has ended with them.
fn remove_leftovers() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(FOLDERS);
        let Some(lock) = is_ours.then(|| File::open(entry.path().join("lock")).ok()).flatten() else { continue };
        if lock.try_lock().is_ok() {
            // Another test may do the same.
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Core {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Joins a host to the network, and returns its address.
    pub(crate) fn join(&self, host: &Space) -> Ipv4Addr {
        let number = self.last.fetch_add(1, Ordering::SeqCst).checked_add(1).expect("fewer hosts");
        let (cable, holder) = (format!("cable{number}"), host.first().to_string());
        self.space.run(&["ip", "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &holder]);
        self.space.run(&["ip", "link", "set", &cable, "master", "hub", "up"]);
        let [first, second, third] = ADDRESSES;
        let address = Ipv4Addr::new(first, second, third, number);
        host.run(&["ip", "address", "add", &format!("{address}/24"), "dev", "eth0"]);
        host.run(&["ip", "link", "set", "eth0", "up"]);
        address
    }
}
