//! What needs a machine with a kernel of its own: an emulated one, whose ssh server is a port of the placement host's loopback.

use crate::support::{House, Outcome, Running, Who};
use sandboxer_machinery::{Host, Network, Process, VirtualMachine, end};

/// The build machine behind a host, in a network of the test's own.
struct Place {
    house: House,
    network: Network,
    // Before the host: it ends first.
    machine: VirtualMachine,
    host: Host,
}

impl Place {
    fn new() -> Self {
        let house = House::new(Who::Caller);
        let network = Network::new();
        let host = network.host("placement");
        let machine = host.virtual_machine("haskell-build");
        network.ssh_config(&[("placement", host.address()), ("haskell-build", machine.address())]);
        for word in network.prefix() {
            house.run_through([word.as_str()]);
        }
        Self { house, network, machine, host }
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.house.command(&[&["--catalog", "catalog"], arguments].concat());
        command.env("SANDBOXER_SSH_CONFIG", self.network.ssh_config_path());
        self.house.noted(Running::start(command, None).finish())
    }

    fn said(&self, sandbox: &str, script: &str) -> String {
        self.run(&["exec", sandbox, "--", "/bin/sh", "-c", script]).succeeded().text().trim().to_owned()
    }

    /// What the machine itself says, by a login that is none of sand-boxer's.
    fn machine_says(&self, script: &str) -> String {
        let config = self.network.ssh_config_path();
        let jump = format!("ProxyCommand=ssh -F {} -W %h:%p placement", config.display());
        let mut command = self.network.command("ssh");
        command.arg("-F").arg(&config).args(["-oBatchMode=yes", "-o", &jump, "haskell-build", script]);
        let output = command.output().expect("ssh starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {stderr}\n{}", self.machine.log());
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Place {
    /// Ends the connections in the background; what is on the host and the machine ends with them.
    fn drop(&mut self) {
        let here = self.house.path("").display().to_string();
        let is_ours = |process: &Process| process.command.starts_with("ssh ") && process.command.contains(&here);
        Process::all().filter(is_ours).for_each(|process| end(process.pid));
    }
}

#[test]
fn workspaces_come_and_go_and_the_machine_stays() {
    let place = Place::new();
    let profile = "id: profile.apart\nextension: ext.vm-packer\nisolation: process\nnetwork: host\n\
                   options: {separate_users: true}\ninputs:\n  defaults: {vm: haskell-build}\n";
    place.house.write("catalog/profiles/profile.apart.yaml", profile);
    place.house.write("app/Main.hs", "main = putStrLn \"hello\"\n");
    let kernel = place.machine_says("uname -r; cat /proc/sys/kernel/random/boot_id");
    let tunnel = format!("tunnel_port={}", place.machine.address().port());
    let create = |profile: &str, name: &str| {
        let words =
            ["--json", "create", profile, "--host", "placement", "-i", &tunnel, "--repo", "app", "--name", name];
        place.run(&words).succeeded().json()
    };
    let status = create("vm-haskell-build", "one");
    assert_eq!(status["reachability"]["jump"], "placement", "{status:#}");
    assert_eq!(place.said("one", "uname -r; cat /proc/sys/kernel/random/boot_id"), kernel, "it runs on the machine");
    assert_eq!(place.said("one", "cat Main.hs"), "main = putStrLn \"hello\"");
    place.house.write("app/Main.hs", "main = putStrLn \"hello again\"\n");
    let synced = place.run(&["--json", "sync", "one"]).succeeded().json();
    assert_eq!(synced["sent"], 1, "{synced}");
    assert_eq!(place.said("one", "cat Main.hs"), "main = putStrLn \"hello again\"");

    let apart = create("apart", "two");
    assert_eq!(apart["isolation"], "process", "{apart:#}");
    let user = place.said("two", "id -un");
    assert!(user.starts_with("sbx-"), "{user}");
    assert_eq!(
        place.said("two", "cat Main.hs; id -un > mine; cat mine"),
        format!("main = putStrLn \"hello again\"\n{user}")
    );
    let others = status["reachability"]["remote_dir"].as_str().expect("a workspace");
    place.run(&["exec", "two", "--", "cat", &format!("{others}/Main.hs")]).ended_with(1);
    for sandbox in ["one", "two"] {
        place.said(sandbox, "cd /; env -i setsid sleep 1000 >/dev/null 2>&1 </dev/null & :");
    }
    place.run(&["rm", "two"]).succeeded();
    assert_eq!(place.said("one", "cat Main.hs"), "main = putStrLn \"hello again\"", "the neighbour stays");
    place.run(&["rm", "one"]).succeeded();
    let left = "ls /root/sandboxer /var/lib/sandboxer; grep sbx- /etc/passwd; pgrep sleep; ls -A /tmp; exit 0";
    assert_eq!(place.machine_says(left), "/root/sandboxer:\n\n/var/lib/sandboxer:".to_owned());
    assert_eq!(place.machine_says("uname -r; cat /proc/sys/kernel/random/boot_id"), kernel, "it is the same machine");
    assert_eq!(place.host.name(), "placement");
}
