//! A machine to log in to: a private ssh server on this one, with a home and an agent of its own.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use sandboxer_agent::{Listen, Options};
use sandboxer_reach::{AgentPlace, AgentProgram, Ssh, SshMaster, SshSettings};
use sandboxer_types::SshDestination;
use tempfile::TempDir;

use super::{Details, MARK, SOCKET, end_daemon, is_root, own_name, player};

/// The server, its folder, and all that was started by way of it; they go with it.
pub struct Machine {
    server: Mutex<Option<Child>>,
    port: u16,
    folder: TempDir,
}

impl Machine {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With more lines in the server's configuration. Of two for one thing, the first counts: these.
    pub fn start_with(lines: &str) -> Self {
        let folder = TempDir::with_prefix("sandboxer-ssh-").unwrap();
        for name in ["host", "id", "other"] {
            key(&folder.path().join(name));
        }
        std::fs::copy(folder.path().join("id.pub"), folder.path().join("authorized")).unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::fs::write(folder.path().join("config"), "").unwrap();
        if is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        // Someone else may take the port before the server does: then the next one.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            configure(folder.path(), port, lines);
            if let Some(server) = serve(folder.path()) {
                return Self { server: Mutex::new(Some(server)), port, folder };
            }
        }
        panic!("no ssh server starts");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Of the account, whose shell reads its `.bashrc` there.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub fn destination(&self) -> SshDestination {
        format!("{}@127.0.0.1:{}", own_name(), self.port).parse().unwrap()
    }

    pub fn settings(&self) -> SshSettings {
        let mut settings = SshSettings::new(self.path("ssh"));
        settings.config = Some(self.path("config"));
        settings.identity = Some(self.path("id"));
        settings
    }

    pub fn master(&self) -> SshMaster {
        SshMaster::new(self.settings(), self.destination()).unwrap()
    }

    /// Where the agent goes by default.
    pub fn programs(&self) -> PathBuf {
        self.home().join(".cache/sandboxer")
    }

    /// The agent on this machine, whose commands run in `workdir`.
    pub fn ssh(&self, workdir: &Path) -> Ssh {
        Ssh::new(self.master(), self.agent(workdir, &[]), AgentPlace::default())
    }

    /// A program that plays the agent: a script that starts this program in that role. Behind it stands `ballast`.
    pub fn agent(&self, workdir: &Path, ballast: &[u8]) -> AgentProgram {
        let mut options = Options::new(Listen::InheritedFd(0), own_name());
        options.workdir = Some(workdir.to_owned());
        // Should nobody be left to end it.
        options.leave_when_idle = Some(Duration::from_secs(30));
        let details = Details { pid_file: Some(self.path("daemon.pid")), ..Details::new(options) };
        let command = player("relay", &details);
        let mut script = "#!/bin/sh\nif [ \"$2\" = --envd-version ]; then exit 0; fi\n".to_owned();
        for (name, value) in command.get_envs() {
            let (name, value) = (name.to_str().unwrap(), value.unwrap().to_str().unwrap());
            assert!(!value.contains('\''));
            writeln!(script, "export {name}='{value}'").unwrap();
        }
        writeln!(script, "export {SOCKET}=\"$3\" {MARK}=\"$5\"").unwrap();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        writeln!(script, "exec {}", words.join(" ")).unwrap();
        let path = self.path("agent");
        std::fs::write(&path, [script.as_bytes(), ballast].concat()).unwrap();
        AgentProgram::read(path).unwrap()
    }

    /// Ends the server, and with it, as when a machine goes down, every connection.
    pub fn stop(&self) {
        let Some(mut server) = self.server.lock().unwrap().take() else { return };
        for child in children(server.id()) {
            Command::new("kill").args(["-9", &child.to_string()]).stderr(Stdio::null()).status().unwrap();
        }
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Starts the server again, on the same port.
    pub fn start_again(&self) {
        *self.server.lock().unwrap() = Some(serve(self.folder.path()).unwrap());
    }

    /// Gives the machine another key from the next start on.
    pub fn change_key(&self) {
        for ending in ["", ".pub"] {
            std::fs::rename(self.path(&format!("other{ending}")), self.path(&format!("host{ending}"))).unwrap();
        }
    }

    /// Ends the agent and its commands.
    pub fn end_agent(&self) {
        end_daemon(&self.path("daemon.pid"));
    }

    /// The masters that run for this machine's folder.
    pub fn masters(&self) -> usize {
        let folder = self.path("ssh").to_str().unwrap().to_owned();
        let is_ours = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.starts_with("ssh\0-M\0") && line.contains(&folder)
        };
        processes().filter(is_ours).count()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
        self.end_agent();
    }
}

fn key(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path);
    assert!(command.status().unwrap().success());
}

fn configure(folder: &Path, port: u16, lines: &str) {
    let folder = folder.display();
    let text = format!(
        "{lines}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n\
         UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\n\
         PermitRootLogin yes\nSetEnv HOME={folder}/home\n"
    );
    // Of this one the last counts.
    let text = if lines.contains("MaxStartups") { text } else { text + "MaxStartups 100:30:200\n" };
    std::fs::write(format!("{folder}/sshd_config"), text).unwrap();
}

/// A server that listens; `None` where its port is taken.
fn serve(folder: &Path) -> Option<Child> {
    let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists()).unwrap();
    let mut command = Command::new(program);
    command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
    let mut server = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
    if lines.by_ref().any(|line| line.starts_with("Server listening")) {
        // Somebody must read on, else the server's sessions would wait.
        std::thread::spawn(move || lines.for_each(drop));
        return Some(server);
    }
    server.wait().unwrap();
    None
}

fn processes() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The server's processes for its sessions; not what runs in those.
fn children(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.starts_with("Name:\tsshd\n") && status.lines().any(|line| line == format!("PPid:\t{parent}"))
    };
    let own: Vec<u32> = processes().filter(is_child).collect();
    own.iter().flat_map(|child| std::iter::once(*child).chain(children(*child))).collect()
}
