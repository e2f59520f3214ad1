//! A machine with a kernel of its own.

use crate::image;
use crate::space::Space;
use crate::wait::until_or;
use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A virtual machine that is emulated, with an sshd that can be reached at a port of 127.0.0.1 in the network that it was
/// started in, by the key of that network. Its disk is its memory. It ends when this is dropped, or its process ends.
#[derive(Debug)]
pub struct VirtualMachine {
    // Before the space: it ends first.
    emulator: Child,
    _space: Space,
    folder: TempDir,
    address: SocketAddr,
}

/// In the network's own namespace nobody else has it.
const FIRST_PORT: u16 = 2200;
/// How long it may take until its sshd greets; it takes some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

impl VirtualMachine {
    /// Starts one whose ssh port is in that network, and waits until it greets.
    pub(crate) fn start(network: &Space, name: &str, public_key: &str) -> Self {
        let kernel = image::kernel();
        let disk = image::memory_disk(&kernel);
        let space = Space::cell(network);
        let folder = TempDir::with_prefix("sandboxer-machine-").expect("a temporary folder");
        let key = public_key.split_whitespace().nth(1).expect("a public key");
        let port = free_port(network);
        let mut command = space.command("qemu-system-x86_64");
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", "768", "-no-reboot"]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none"]);
        command.arg("-kernel").arg(kernel).arg("-initrd").arg(disk);
        let words = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on rdinit=/init";
        command.args(["-append", &format!("{words} machine.name={name} machine.key={key}")]);
        command.arg("-serial").arg(format!("file:{}", folder.path().join("console").display()));
        command.args(["-netdev", &format!("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22")]);
        command.args(["-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"]);
        let said = File::create(folder.path().join("emulator")).expect("ours");
        command.stdout(Stdio::null()).stderr(said);
        let emulator = command.spawn().expect("nsenter starts");
        let mut machine = Self { emulator, _space: space, folder, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        machine.wait_for_greeting(network);
        machine
    }

    fn wait_for_greeting(&mut self, network: &Space) {
        let port = self.address.port().to_string();
        let greeted = until_or(PATIENCE, || {
            let ended = self.emulator.try_wait().expect("a child");
            assert!(ended.is_none(), "the emulator ended: {}", self.log());
            // The emulator accepts before the machine does; only the machine greets.
            let mut command = network.command("timeout");
            command.args(["1", "busybox", "nc", "127.0.0.1", &port]);
            let output = command.stderr(Stdio::null()).output().expect("nsenter starts");
            output.stdout.starts_with(b"SSH-").then_some(())
        });
        assert!(greeted.is_some(), "the machine does not come up: {}", self.log());
    }

    /// Where its sshd is reached, in its network.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its console and its emulator said.
    pub fn log(&self) -> String {
        let read = |name: &str| std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("emulator"), read("console")].concat()).into_owned()
    }
}

impl Drop for VirtualMachine {
    fn drop(&mut self) {
        // What waits for the emulator; the space ends that itself.
        drop(self.emulator.kill());
        drop(self.emulator.wait());
    }
}

/// The first port that nobody listens on there.
fn free_port(network: &Space) -> u16 {
    let listening = network.run(&["ss", "-Htln"]);
    let is_free = |port: &u16| !listening.contains(&format!("127.0.0.1:{port} "));
    (FIRST_PORT..FIRST_PORT + 100).find(is_free).expect("a free port")
}
