//! The extensions that the suite is run over: ours, the references, and what `ext new` writes, each beside a real backend.

use sandboxer_machinery::{Compose, Host, HostOptions, Network};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What a subject is called, and what makes it.
type Kind = (&'static str, fn(&Place));

/// Every subject.
pub(crate) const KINDS: [Kind; 8] = [
    ("local", local),
    ("compose-ssh", compose_ssh),
    ("vm-packer", vm_packer),
    ("python-compose-ssh", python_compose_ssh),
    ("python-vm-packer", python_vm_packer),
    ("template-python", |place| place.scaffold("template-python", "python")),
    ("template-sh", |place| place.scaffold("template-sh", "sh")),
    ("template-rust", |place| place.scaffold("template-rust", "rust")),
];

/// The subjects whose backend is reached by ssh.
pub(crate) const BY_SSH: [&str; 4] = ["compose-ssh", "vm-packer", "python-compose-ssh", "python-vm-packer"];

/// An extension and its backend. What was made of both goes with it.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    place: Place,
}

/// Where a subject is.
pub(crate) struct Place {
    folder: TempDir,
    program: PathBuf,
    network: Option<(Network, Host)>,
}

impl Subject {
    /// The subject of that name, tested by this program.
    pub(crate) fn new(name: &str, program: &Path) -> Self {
        let (name, make) = KINDS.into_iter().find(|(kind, _)| *kind == name).expect("a name of the list");
        let folder = TempDir::with_prefix("sandboxer-conformance-").expect("a temporary folder");
        for inner in ["state", "home", "config"] {
            std::fs::create_dir(folder.path().join(inner)).expect("ours");
        }
        let own = folder.path().join("sandboxer");
        // Another build may replace the program in the middle.
        std::fs::copy(program, &own).expect("room for the program");
        let network = BY_SSH.contains(&name).then(|| network(name));
        let place = Place { folder, program: own, network };
        make(&place);
        Self { name, place }
    }

    /// `sandboxer ext test` of it, with these words more.
    pub(crate) fn test(&self, words: &[&str]) -> Command {
        let mut command = self.place.command();
        if self.place.path("catalog/extensions").is_dir() || self.place.path("catalog/hosts.yaml").is_file() {
            command.arg("--catalog").arg(self.place.path("catalog"));
        }
        command.args(["ext", "test", self.name]);
        // What `ext new` writes has its plan where the command looks for it.
        if self.place.path("plan.yaml").is_file() {
            command.arg("--plan").arg(self.place.path("plan.yaml"));
        }
        command.args(words);
        command
    }
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("ours");
        std::fs::write(path, text).expect("ours");
    }

    fn plan(&self, plan: serde_json::Value) {
        self.write("plan.yaml", plan.to_string());
    }

    fn command(&self) -> Command {
        let mut command = match &self.network {
            Some((network, _)) => network.command(&self.program),
            None => Command::new(&self.program),
        };
        let search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        command.env_clear().env("PATH", format!("{}:{search}", self.folder.path().display()));
        command.env("HOME", self.path("home")).env("XDG_CONFIG_HOME", self.path("config"));
        command.env("USER", "tester").env("SANDBOXER_STATE", self.path("state"));
        if let Some((network, host)) = &self.network {
            command.env("SANDBOXER_SSH_CONFIG", network.ssh_config(&[(host.name(), host.address())]));
        }
        command.current_dir(self.folder.path());
        command
    }

    fn run(&self, words: &[&str]) {
        let output = self.command().args(words).output().expect("it starts");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Words of a command that prints all that the host has, without ssh: what this script says, and what any machine has.
    fn inventory(&self, script: &str) -> Vec<String> {
        let (_, host) = self.network.as_ref().expect("a host");
        let agents = host.path("/root/.cache/sandboxer").display().to_string();
        let head = ["python3".to_owned(), "-c".to_owned(), LEASES.to_owned(), agents];
        head.into_iter().chain(self.on_host(&format!("{script}; {MACHINE}; :"), "/root")).collect()
    }

    /// How the host is taken off the network, and put on it again.
    fn outage(&self) -> serde_json::Value {
        let script = "printf '%s' \"$1\" | nft -f -";
        json!({"begin": self.on_host(script, &format!("{REACHED}{REFUSED}")), "end": self.on_host(script, REACHED)})
    }

    /// Words of a command that runs a script on the host, with this as `$1`.
    fn on_host(&self, script: &str, word: &str) -> Vec<String> {
        let (_, host) = self.network.as_ref().expect("a host");
        let mut command = host.command("sh");
        command.args(["-c", script, "sh", word]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// A project of `ext new` in that language.
    fn scaffold(&self, name: &str, language: &str) {
        let mut words = vec!["ext", "new", name, "--lang", language, "--out", "catalog"];
        let repository = repository().display().to_string();
        if language == "rust" {
            words.extend(["--sdk", &repository]);
        }
        self.run(&words);
        if language == "rust" {
            build(&self.path("catalog"), name);
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// Builds the extension in Rust, where a later one finds most of it built.
fn build(project: &Path, name: &str) {
    let target = repository().join("target/authoring");
    // The versions that this repository is tested with: nothing is fetched.
    std::fs::copy(repository().join("Cargo.lock"), project.join("Cargo.lock")).expect("ours");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--offline", "--quiet", "--target-dir"]).arg(&target).current_dir(project);
    let output = command.output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let program = format!("{name}-extension");
    let find = |folder: &str| Some(target.join(folder).join("debug").join(&program)).filter(|path| path.is_file());
    let built = find("").or_else(|| find("x86_64-unknown-linux-gnu")).expect("a program");
    std::fs::copy(built, project.join("extensions").join(&program)).expect("ours");
}

fn network(name: &str) -> (Network, Host) {
    let network = Network::new();
    let compose = if name.ends_with("compose-ssh") { Compose::Plugin } else { Compose::default() };
    let host = network.host_with("build-1", HostOptions { compose, ..HostOptions::default() });
    if host.has_engine() {
        host.engine().load_busybox();
    }
    (network, host)
}

fn local(place: &Place) {
    place.write("app/main.py", "print(1)\n");
    let folder = place.path("state/local");
    place.plan(json!({
        "inputs": {"base": "host"},
        "other_inputs": {"base": "host", "repo": place.path("app")},
        "inventory": ["sh", "-c", "ls -A \"$1\" 2> /dev/null || :", "sh", folder],
    }));
}

/// A service that is entered, and one that it needs.
const STACK: &str = "services:\n  web:\n    image: busybox\n    command: [\"sleep\", \"100000\"]\n    depends_on: [data]\n    \
                     volumes: [\"kept:/kept\"]\n  data:\n    image: busybox\n    command: [\"sleep\", \"100000\"]\nvolumes: {kept: {}}\n";
const HOSTS: &str = "hosts:\n  - id: build-1\n    ssh: build-1\n";
/// All that an engine has.
const ENGINE: &str = "docker ps -a --format '{{.Names}}'; docker volume ls -q; docker images -q; \
                      docker network ls --filter type=custom --format '{{.Name}}'";
/// What a machine has whose home is `$1`: files, but for our agent with its sockets, the engine's client's own and the folders of all
/// sandboxes; processes that bear a sandbox's name, once each. Behind the id that name has letters of the owner, which are left out: one
/// id is not to be found in another's name.
const MACHINE: &str = "find \"$1\" -mindepth 1 \\( -path \"$1/.cache\" -o -path \"$1/.docker\" \\) -prune -o -print | \
    grep -vxE \"$1/(sandboxer|\\.sandboxer(/(compose|workspaces))?|\\.local(/share(/sandboxer(/compose)?)?)?)\"; \
    cat /proc/[0-9]*/environ 2> /dev/null | tr '\\000' '\\n' | sed -n 's/^SANDBOXER_SANDBOX=\\(.*\\)-[^-]*$/processes of \\1/p' | sort -u";
/// Everything goes through to a host, and every packet that comes is answered with a refusal.
const REACHED: &str = "table inet outage\ndelete table inet outage\n";
const REFUSED: &str = "table inet outage {
    chain in { type filter hook input priority -300; iifname != \"lo\" meta l4proto tcp reject with tcp reset; }
}
";
/// Prints what the command says that its arguments are, and the leases that the agents hold whose sockets are below the first one.
const LEASES: &str = r#"
import glob, http.client, json, os, socket, subprocess, sys

class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.path.basename(self.host))

print(subprocess.run(sys.argv[2:], check=True, stdout=subprocess.PIPE, text=True).stdout)
for path in glob.glob(sys.argv[1] + "/*/*.sock"):
    # An address has few letters.
    os.chdir(os.path.dirname(path))
    connection = Connection(path, timeout=60)
    try:
        connection.request("POST", "/sandboxer.agent.v1.Agent/ListLeases", "{}", {"Content-Type": "application/json"})
        for lease in json.load(connection.getresponse()).get("leases", []):
            print("lease of", lease["name"].rpartition("-")[0])
    except (ConnectionRefusedError, FileNotFoundError):
        pass  # An agent that has left.
"#;

fn compose(place: &Place) {
    place.write("app/compose.yaml", STACK);
    place.write("other/compose.yaml", format!("{STACK}# the same, somewhere else\n"));
    place.write("catalog/hosts.yaml", HOSTS);
    place.plan(json!({
        "host": "build-1",
        "inputs": {"repo": place.path("app")},
        "other_inputs": {"repo": place.path("other")},
        "inventory": place.inventory(ENGINE),
        "outage": place.outage(),
    }));
}

fn compose_ssh(place: &Place) {
    compose(place);
}

fn workspaces(place: &Place, inputs: serde_json::Value, other: serde_json::Value) {
    place.write("app/main.py", "print(1)\n");
    place.plan(json!({
        "inputs": inputs,
        "other_inputs": other,
        "inventory": place.inventory(":"),
        "outage": place.outage(),
    }));
}

fn vm_packer(place: &Place) {
    let shipped = std::fs::read_to_string(repository().join("extensions/ext.vm-packer.yaml")).expect("a manifest");
    place.write("catalog/extensions/ext.vm-packer.yaml", format!("{shipped}config: {{vms: {{build-1: build-1}}}}\n"));
    workspaces(place, json!({"vm": "build-1"}), json!({"vm": "build-1", "repo": place.path("app")}));
}

fn python_compose_ssh(place: &Place) {
    compose(place);
    reference(place, "python-compose-ssh", "compose_ssh:ComposeSSHExtension", "container", &["labels", "idempotent"]);
}

fn python_vm_packer(place: &Place) {
    workspaces(place, json!({"vm": "build-1"}), json!({"vm": "build-1", "repo": place.path("app")}));
    reference(place, "python-vm-packer", "vm_packer:VMPackerExtension", "none", &["labels", "attach", "idempotent"]);
}

/// A manifest of a class of the Python package, whose `ssh` reads the configuration of the test's own network.
fn reference(place: &Place, name: &str, class: &str, isolation: &str, features: &[&str]) {
    let (network, host) = place.network.as_ref().expect("a host");
    let config = network.ssh_config(&[(host.name(), host.address())]);
    let machines = json!({host.name(): {"target": host.name(), "config_file": config}});
    let manifest = json!({
        "id": format!("ext.{name}"),
        "title": "A reference in Python",
        "version": "0.1.0",
        "handler": format!("python:sandboxer.extensions.{class}"),
        "capabilities": {"isolation_levels": [isolation], "pricing_model": "self-hosted", "features": features},
        "concurrency": 4,
        "config": {"hosts": machines, "vms": machines},
    });
    place.write(&format!("catalog/extensions/ext.{name}.yaml"), manifest.to_string());
}
