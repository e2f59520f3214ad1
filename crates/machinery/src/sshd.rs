//! A private ssh server on a loopback port of this machine.

use crate::processes::{self, is_root};
use rustix::process::Signal;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// What the server is like.
#[derive(Debug, Clone, Default)]
pub struct SshdOptions {
    /// The home of whoever logs in; the account's own by default.
    pub home: Option<PathBuf>,
    /// Where commands are looked for; where the server looks by default.
    pub programs: Option<PathBuf>,
    /// More lines for its configuration. Of two for one thing, the first counts: these.
    pub lines: String,
}

/// The server. Its folder, which is the caller's, has the keys `host`, `id` (which may log in) and `other` (which may
/// not), and the list `authorized`. It ends when this is dropped, with all connections to it.
#[derive(Debug)]
pub struct Sshd {
    server: Mutex<Option<Child>>,
    port: u16,
    folder: PathBuf,
}

impl Sshd {
    /// Starts a server that keeps its files in `folder`.
    pub fn start(folder: &Path, options: &SshdOptions) -> Self {
        for name in ["host", "id", "other"] {
            make_key(&folder.join(name));
        }
        std::fs::copy(folder.join("id.pub"), folder.join("authorized")).expect("ours");
        if is_root() {
            std::fs::create_dir_all("/run/sshd").expect("root may");
        }
        // Someone else may take the port before the server does: then the next one.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a free port").port();
            configure(folder, port, options);
            if let Some(server) = serve(folder) {
                return Self { server: Mutex::new(Some(server)), port, folder: folder.to_owned() };
            }
        }
        panic!("no ssh server starts");
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of the process that listens.
    pub fn pid(&self) -> u32 {
        self.server().as_ref().expect("it runs").id()
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.server.lock().expect("nobody panics")
    }

    /// Ends the server, and with it, as when a machine goes down, every connection.
    pub fn stop(&self) {
        let Some(mut server) = self.server().take() else { return };
        // A stopped one would not see that its connections end.
        for process in own(server.id()) {
            processes::end(process);
        }
        server.kill().and_then(|()| server.wait()).expect("a child");
    }

    /// Starts it again, on the same port.
    pub fn start_again(&self) {
        *self.server() = Some(serve(&self.folder).expect("the port is free"));
    }

    /// The server and all its connections stand still; nothing is closed.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// They go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let server = self.pid();
        for pid in own(server).into_iter().chain([server]) {
            processes::Process { pid, command: String::new() }.signal(signal);
        }
    }

    /// Gives the server another key from the next start on.
    pub fn change_key(&self) {
        for ending in ["", ".pub"] {
            let path = |name: &str| self.folder.join(format!("{name}{ending}"));
            std::fs::rename(path("other"), path("host")).expect("ours");
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes a key at that path, and its public half beside it.
pub fn make_key(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path);
    assert!(command.status().expect("ssh-keygen starts").success());
}

fn configure(folder: &Path, port: u16, options: &SshdOptions) {
    let SshdOptions { home, programs, lines } = options;
    let folder = folder.display();
    let mut text = format!(
        "{lines}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n\
         UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\n\
         PrintMotd no\nPermitRootLogin yes\n"
    );
    let home = home.iter().map(|home| format!("HOME={}", home.display()));
    let path = programs.iter().map(|programs| format!("PATH={}", programs.display()));
    let set: Vec<String> = home.chain(path).collect();
    if !set.is_empty() {
        text += &format!("SetEnv {}\n", set.join(" "));
    }
    // Of this one the last counts.
    if !lines.contains("MaxStartups") {
        text += "MaxStartups 100:30:200\n";
    }
    std::fs::write(format!("{folder}/sshd_config"), text).expect("ours");
}

/// A server that listens; `None` where its port is taken.
fn serve(folder: &Path) -> Option<Child> {
    let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
    let mut command = Command::new(program.expect("openssh-server is installed"));
    command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
    let mut server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(server.stderr.take().expect("piped")).lines().map_while(Result::ok);
    if lines.by_ref().any(|line| line.starts_with("Server listening")) {
        // Somebody must read on, else the server's sessions would wait.
        std::thread::spawn(move || lines.for_each(drop));
        return Some(server);
    }
    server.wait().expect("a child");
    None
}

/// The server's processes for its sessions; not what runs in those.
fn own(parent: u32) -> Vec<u32> {
    let children = processes::children(parent).into_iter();
    let own: Vec<u32> = children.filter(processes::is_sshd).map(|child| child.pid).collect();
    own.iter().flat_map(|child| std::iter::once(*child).chain(self::own(*child))).collect()
}
