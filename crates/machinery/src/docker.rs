//! A container engine on a host, and the tools that use it.

use crate::host::Host;
use crate::processes::Process;
use crate::space::Space;
use crate::tools::compose_program;
use crate::wait::until;
use rustix::process::Signal;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Which compose tool a host has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compose {
    /// None, and no engine.
    #[default]
    None,
    /// An engine, and no compose tool.
    EngineAlone,
    /// `docker compose`.
    Plugin,
    /// `docker-compose` alone.
    Standalone,
    /// `podman-compose`, without any docker engine.
    Podman,
}

impl Compose {
    pub(crate) fn needs_engine(self) -> bool {
        matches!(self, Self::EngineAlone | Self::Plugin | Self::Standalone)
    }

    /// What sshd sets for those who log in.
    pub(crate) fn environment(self) -> &'static str {
        match self {
            Self::None | Self::EngineAlone => "",
            Self::Plugin => "SetEnv DOCKER_CONFIG=/run/docker-config",
            Self::Standalone | Self::Podman => "SetEnv PATH=/run/programs:/usr/sbin:/usr/bin:/sbin:/bin",
        }
    }

    /// Puts the tool where it is found.
    pub(crate) fn prepare(self, host: &Host) {
        match self {
            Self::None | Self::EngineAlone => {}
            Self::Plugin => link_tool(host, "/run/docker-config/cli-plugins", "docker-compose"),
            Self::Standalone => link_tool(host, "/run/programs", "docker-compose"),
            Self::Podman => {
                // Without an init, and without the rights of a whole machine.
                let text = "[containers]\ndefault_ulimits = [\"nofile=1024:4096\", \"nproc=4096:4096\"]\n\
                            [engine]\ncgroup_manager = \"cgroupfs\"\nruntime = \"runc\"\nevents_logger = \"file\"\n";
                host.write("/etc/containers/containers.conf", text);
                link_tool(host, "/run/programs", "podman-compose");
            }
        }
    }
}

fn link_tool(host: &Host, folder: &str, name: &str) {
    assert!(compose_program().with_file_name(name).exists(), "{name} is missing: run `cargo xtask setup`");
    host.run(&["mkdir", "-p", folder]);
    symlink(format!("/mnt/tools/{name}"), host.path(folder).join(name)).expect("ours");
}

/// What an engine holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Names of containers, whether they run or not.
    pub containers: Vec<String>,
    /// Names of networks, but for docker's own three.
    pub networks: Vec<String>,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// Tags of images, else their ids; not that of [`Engine::load_busybox`].
    pub images: Vec<String>,
}

impl Holdings {
    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A docker engine. It belongs to its host and ends with it.
#[derive(Debug)]
pub struct Engine {
    space: Arc<Space>,
    cgroup: String,
    /// What waits for the engine outside of the host.
    waiting: Mutex<Option<Child>>,
}

/// The image of tests.
const IMAGE: &str = "busybox:latest";
const OWN_NETWORKS: [&str; 3] = ["bridge", "host", "none"];
static COUNT: AtomicU32 = AtomicU32::new(0);

impl Engine {
    pub(crate) fn start(space: Arc<Space>) -> Self {
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let cgroup = format!("{CGROUPS}{}-{number}", std::process::id());
        let engine = Self { space, cgroup, waiting: Mutex::default() };
        engine.start_again();
        engine
    }

    /// Starts an engine that was stopped, and waits until it answers.
    pub fn start_again(&self) {
        let log = || File::options().create(true).append(true).open(self.space.path("/run/dockerd.log"));
        let mut command = self.space.command("dockerd");
        command.args(["--data-root=/var/lib/docker", "--exec-root=/run/docker", "--pidfile=/run/docker.pid"]);
        command.args(["--host=unix:///run/docker.sock", &format!("--cgroup-parent=/{}", self.cgroup)]);
        command.stdout(log().expect("ours")).stderr(log().expect("ours"));
        let mut child = command.spawn().expect("nsenter starts");
        until("the engine answers", || {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "the engine ended: {}", self.log());
            self.client(&["version"]).status().expect("nsenter starts").success().then_some(())
        });
        *self.waiting.lock().expect("nobody panics") = Some(child);
    }

    pub(crate) fn start_after_reboot(&self) {
        self.wait_for_outside();
        // A machine that starts has none of these.
        let script = "cut -d ' ' -f 2 /proc/mounts | grep -E '^/(run|var/lib)/docker/' | xargs -r umount -l\n\
                      rm -rf /run/docker.pid /run/docker.sock /run/docker";
        self.space.run(&["/bin/sh", "-c", script]);
        self.start_again();
    }

    /// Ends the engine at once. Its containers end with it.
    pub fn stop(&self) {
        for name in ["dockerd", "containerd-shim", "containerd"] {
            self.processes(name).iter().for_each(|process| crate::end(process.pid));
        }
        self.wait_for_outside();
        self.space.run(&["rm", "-rf", "/run/docker.pid", "/run/docker.sock"]);
    }

    /// It accepts connections and never answers.
    pub fn freeze(&self) {
        self.processes("dockerd").iter().for_each(|process| process.signal(Signal::STOP));
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.processes("dockerd").iter().for_each(|process| process.signal(Signal::CONT));
        self.wake_outside();
    }

    /// What waits for a process stands still when that does.
    fn wake_outside(&self) {
        if let Some(child) = self.waiting.lock().expect("nobody panics").as_ref() {
            Process { pid: child.id(), command: String::new() }.signal(Signal::CONT);
        }
    }

    fn processes(&self, name: &str) -> Vec<Process> {
        let is_it = |process: &Process| {
            let program = process.command.split(' ').next().unwrap_or_default();
            Path::new(program).file_name().is_some_and(|found| found.to_string_lossy().starts_with(name))
        };
        self.space.processes().into_iter().filter(is_it).collect()
    }

    fn wait_for_outside(&self) {
        self.wake_outside();
        if let Some(mut child) = self.waiting.lock().expect("nobody panics").take() {
            child.wait().expect("a child");
        }
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.space.path("/run/dockerd.log")).unwrap_or_default()
    }

    /// The client of this machine, on the engine's host.
    pub fn client(&self, words: &[&str]) -> Command {
        let mut command = self.space.command("docker");
        command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs the client, and returns what it printed. Panics when it fails.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> String {
        self.space.run(&[&["docker"], words].concat())
    }

    /// Gives the engine the image `busybox:latest`, without any registry.
    pub fn load_busybox(&self) {
        load_busybox(&self.space, "docker");
    }

    /// Everything that it holds.
    pub fn holdings(&self) -> Holdings {
        let list = |words: &[&str]| {
            let mut found: Vec<String> = self.run(words).lines().map(str::to_owned).collect();
            found.sort();
            found
        };
        let mut holdings = Holdings {
            containers: list(&["ps", "--all", "--format", "{{.Names}}"]),
            networks: list(&["network", "ls", "--format", "{{.Name}}"]),
            volumes: list(&["volume", "ls", "--format", "{{.Name}}"]),
            images: list(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]),
        };
        holdings.networks.retain(|name| !OWN_NETWORKS.contains(&name.as_str()));
        holdings.images.retain(|name| !name.starts_with(&format!("{IMAGE} ")));
        holdings
    }
}

/// Has an engine's client make the image of tests.
pub(crate) fn load_busybox(space: &Space, client: &str) {
    let script = "mkdir -p \"$1/bin\" \"$1/tmp\" \"$1/etc\" && cp /bin/busybox \"$1/bin/\" && \
                  for name in $(busybox --list); do [ \"$name\" = busybox ] || ln -s busybox \"$1/bin/$name\"; done && \
                  echo root:x:0:0:root:/:/bin/sh >\"$1/etc/passwd\" && tar -C \"$1\" -cf - . | \
                  \"$3\" import --change 'CMD [\"sh\"]' - \"$2\" && rm -rf \"$1\"";
    space.run(&["/bin/sh", "-c", script, "load", "/run/busybox", IMAGE, client]);
}

impl Drop for Engine {
    fn drop(&mut self) {
        for name in ["dockerd", "containerd-shim", "containerd"] {
            self.processes(name).iter().for_each(|process| crate::end(process.pid));
        }
        for process in self.space.processes() {
            crate::end(process.pid);
        }
        self.wait_for_outside();
    }
}

/// How the cgroups of containers begin, and podman's. They are all that outlives the namespaces.
const CGROUPS: &str = "sandboxer-engine-";
const PODMAN: &str = "libpod_parent";

/// Removes those in which nothing runs, also what a killed run left.
pub(crate) fn remove_cgroups() {
    let root = PathBuf::from("/sys/fs/cgroup");
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for hierarchy in entries(&root).chain([root.clone()]) {
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(CGROUPS) || name == PODMAN
        };
        entries(&hierarchy).filter(is_ours).for_each(|path| remove_tree(&path));
    }
}

fn remove_tree(cgroup: &Path) {
    let entries = std::fs::read_dir(cgroup).into_iter().flatten().flatten();
    for child in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&child.path());
    }
    // It stays where something runs in it: another test's.
    drop(std::fs::remove_dir(cgroup));
}
