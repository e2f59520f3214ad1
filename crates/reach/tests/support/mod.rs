//! A real agent as a child process: the test binary itself, started again.
#![allow(dead_code, unreachable_pub, reason = "not every test binary uses all of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod sshd;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sandboxer_agent::{Listen, Options, Relay, Token};
use sandboxer_reach::{
    AgentSession, ExecEvent, ExecRequest, Execution, ExitStatus, Pace, ReachError, Session, SessionOptions, UnixSocket,
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// Nothing is lost while the connection stands.
pub const HELD: Pace = Pace::Held { linger: Duration::ZERO };

const ROLE: &str = "SANDBOXER_TEST_ROLE";
/// What the role needs to know.
const DETAILS: &str = "SANDBOXER_TEST_DETAILS";
/// What the arguments of a real agent would say.
pub const SOCKET: &str = "SANDBOXER_TEST_SOCKET";
pub const MARK: &str = "SANDBOXER_TEST_MARK";
/// So that the harness of tests runs [`agent_process`], and nothing else.
const PLAY: [&str; 4] = ["--exact", "support::agent_process", "--ignored", "--nocapture"];
/// Precedes the address that an agent listens on.
const LISTENING: &str = "listening on ";

/// What a child of a test is told.
#[derive(Serialize, Deserialize)]
pub struct Details {
    pub options: Options,
    pub token: Option<String>,
    /// A relay's socket, and what it says before it relays; what [`SOCKET`] and [`MARK`] say otherwise.
    pub relay: Option<(PathBuf, Option<String>)>,
    /// Where a daemon tells who it is.
    pub pid_file: Option<PathBuf>,
}

impl Details {
    pub fn new(options: Options) -> Self {
        Self { options, token: None, relay: None, pid_file: None }
    }
}

/// The agent's own process. Run by the other tests, never as a test.
#[test]
#[ignore = "the agent's own process, started by the other tests"]
fn agent_process() {
    play();
}

/// Plays the role that this process was started for, if there is one.
#[allow(clippy::disallowed_methods, reason = "a test binary has no other way to be told")]
pub fn play() -> bool {
    let (Ok(role), Ok(details)) = (std::env::var(ROLE), std::env::var(DETAILS)) else { return false };
    let details: Details = serde_json::from_str(&details).unwrap();
    // A relay hands its own environment on to the daemon it starts, but for this word.
    let is_daemon = std::env::args().nth(1).as_deref() == Some("daemon");
    if role == "relay" && !is_daemon {
        let told = || (std::env::var_os(SOCKET).unwrap().into(), std::env::var(MARK).ok());
        let (socket, mark) = details.relay.unwrap_or_else(told);
        let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        let daemon = [program.as_str(), "daemon"].into_iter().chain(PLAY).map(str::to_owned).collect();
        sandboxer_agent::relay(&Relay {
            socket: sandboxer_agent::RelaySocket::At(socket),
            sandbox: None,
            mark,
            daemon,
        })
        .unwrap();
        return true;
    }
    if let Some(path) = details.pid_file {
        std::fs::write(path, std::process::id().to_string()).unwrap();
    }
    let mut options = details.options;
    options.token = details.token.as_deref().and_then(Token::new);
    let told = |address: &str| {
        // One who does not listen for it has closed the stream.
        writeln!(std::io::stderr(), "{LISTENING}{address}").ok();
    };
    sandboxer_agent::run(options, told).unwrap();
    true
}

/// This program, to be started in that role.
pub fn player(role: &str, details: &Details) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(PLAY);
    command.env(ROLE, role).env(DETAILS, serde_json::to_string(details).unwrap());
    command
}

pub fn agent_folder() -> TempDir {
    TempDir::with_prefix("sandboxer-agent-").unwrap()
}

/// A running agent and its folder; both go with it.
pub struct Agent {
    child: Child,
    folder: TempDir,
}

impl Agent {
    /// An agent as whoever runs the tests.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// The same with other options.
    pub fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = agent_folder();
        let mut options = Options::new(Listen::InheritedFd(0), own_name());
        options.workdir = Some(folder.path().to_owned());
        change(&mut options);
        Self::spawn(folder, &Details::new(options), Stdio::null())
    }

    /// With descriptor 1 open for writing on `file`, as a stand-in for a cgroup's file.
    pub fn start_with_cgroup(file: std::fs::File) -> Self {
        let mut options = Options::new(Listen::InheritedFd(0), own_name());
        options.commands_cgroup_fds = vec![1];
        Self::spawn(agent_folder(), &Details::new(options), file.into())
    }

    fn spawn(folder: TempDir, details: &Details, stdout: Stdio) -> Self {
        let listener = UnixListener::bind(folder.path().join("agent.sock")).unwrap();
        let mut command = player("agent", details);
        let child = command.stdin(OwnedFd::from(listener)).stdout(stdout).spawn().unwrap();
        Self { child, folder }
    }

    /// One that listens on TCP and asks for a token, with its address.
    pub fn start_on_tcp(token: &str) -> (Self, String) {
        let folder = agent_folder();
        let mut options = Options::new(Listen::Tcp("127.0.0.1:0".parse().unwrap()), own_name());
        options.workdir = Some(folder.path().to_owned());
        let details = Details { token: Some(token.to_owned()), ..Details::new(options) };
        let mut command = player("agent", &details);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix(LISTENING).map(str::to_owned)).unwrap();
        (Self { child, folder }, address)
    }

    /// A new connection.
    pub async fn session(&self) -> AgentSession {
        AgentSession::connect(&UnixSocket(self.socket()), SessionOptions::default()).await.unwrap()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A path in the agent's folder, which is also its commands' working directory.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// The memory it has, in bytes.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Ends it as a service manager would, and waits for that.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Ended already after `terminate`.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether tests run with the rights to act as other users.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The name of whoever runs the tests; any name does for an account that no file lists.
pub fn own_name() -> String {
    let own = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&own));
    line.and_then(|line| line.split(':').next()).unwrap_or("tester").to_owned()
}

/// What a command said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub exit: ExitStatus,
}

impl Finished {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// Follows a command to its end. Terminal output counts as standard output.
pub async fn finish(execution: &mut Execution) -> Result<Finished, ReachError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(event) = execution.next_event().await? {
        match event {
            ExecEvent::Stdout(bytes) | ExecEvent::Pty(bytes) => stdout.extend_from_slice(&bytes),
            ExecEvent::Stderr(bytes) => stderr.extend_from_slice(&bytes),
            ExecEvent::Gap { from, to } => panic!("bytes {from} to {to} are lost"),
        }
    }
    Ok(Finished { stdout, stderr, exit: execution.wait().await? })
}

/// Bytes that differ everywhere, the same in every run.
pub fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A handle on a process by which its end can be awaited, whoever its parent is.
pub async fn ended(process: OwnedFd) {
    let waited = tokio::task::spawn_blocking(move || {
        let mut wanted = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
        let limit = rustix::time::Timespec { tv_sec: 20, tv_nsec: 0 };
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut wanted, Some(&limit))).unwrap()
    });
    assert_eq!(waited.await.unwrap(), 1, "the process still runs");
}

/// See [`ended`].
pub fn watch(pid: u32) -> OwnedFd {
    still(pid).unwrap()
}

/// The same for a process that may be gone.
pub fn still(pid: u32) -> Option<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

/// Ends a process that wrote its number there, if it did, and waits for that.
pub fn end_daemon(pid_file: &std::path::Path) {
    let Ok(pid) = std::fs::read_to_string(pid_file) else { return };
    let Some(pid) = rustix::process::Pid::from_raw(pid.parse().unwrap()) else { return };
    // It may have left by itself.
    let Ok(process) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { return };
    if rustix::process::pidfd_send_signal(&process, rustix::process::Signal::TERM).is_ok() {
        let mut wanted = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
        // An end of a child is no end of this wait.
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut wanted, None)).unwrap();
    }
}

/// A shell script.
pub fn shell(script: &str) -> ExecRequest {
    ExecRequest::new(["/bin/sh", "-c", script])
}

/// Runs a command to its end.
pub async fn run(session: &dyn Session, request: ExecRequest) -> Result<Finished, ReachError> {
    finish(&mut session.exec(request).await?).await
}

/// Reads until the output so far contains `wanted`.
pub async fn read_until(execution: &mut Execution, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        match execution.next_event().await.unwrap() {
            Some(ExecEvent::Stdout(bytes) | ExecEvent::Pty(bytes)) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Some(event) => panic!("{event:?}"),
            None => panic!("ended before {wanted:?}, after {text:?}"),
        }
    }
    text
}
