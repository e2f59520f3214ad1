//! A real agent as a child process: the test binary itself, started again.
#![allow(dead_code, unreachable_pub, reason = "not every test binary uses all of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use sandboxer_agent::{Listen, Options};
use sandboxer_reach::{AgentSession, ExecEvent, ExecRequest, Execution, ExitStatus, ReachError, Session};
use tempfile::TempDir;

const OPTIONS: &str = "SANDBOXER_TEST_AGENT";

/// The agent's own process. Run by [`Agent::start`], never as a test.
#[test]
#[ignore = "the agent's own process, started by the other tests"]
fn agent_process() {
    #[allow(clippy::disallowed_methods, reason = "a test binary has no other way to be told")]
    let Ok(options) = std::env::var(OPTIONS) else { return };
    sandboxer_agent::run(serde_json::from_str(&options).unwrap()).unwrap();
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
        let folder = TempDir::with_prefix("sandboxer-agent-").unwrap();
        let listener = UnixListener::bind(folder.path().join("agent.sock")).unwrap();
        let mut options = Options::new(Listen::InheritedFd(0), own_name());
        options.workdir = Some(folder.path().to_owned());
        change(&mut options);
        Self::spawn(folder, listener, &options, Stdio::null())
    }

    /// With descriptor 1 open for writing on `file`, as a stand-in for a cgroup's file.
    pub fn start_with_cgroup(file: std::fs::File) -> Self {
        let folder = TempDir::with_prefix("sandboxer-agent-").unwrap();
        let listener = UnixListener::bind(folder.path().join("agent.sock")).unwrap();
        let mut options = Options::new(Listen::InheritedFd(0), own_name());
        options.commands_cgroup_fds = vec![1];
        Self::spawn(folder, listener, &options, file.into())
    }

    fn spawn(folder: TempDir, listener: UnixListener, options: &Options, stdout: Stdio) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "support::agent_process", "--ignored", "--nocapture"])
            .env(OPTIONS, serde_json::to_string(options).unwrap())
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(stdout)
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    /// A new connection.
    pub async fn session(&self) -> AgentSession {
        AgentSession::connect_unix(&self.socket()).await.unwrap()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
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
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
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
        rustix::event::poll(&mut wanted, Some(&limit)).unwrap()
    });
    assert_eq!(waited.await.unwrap(), 1, "the process still runs");
}

/// See [`ended`].
pub fn watch(pid: u32) -> OwnedFd {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap()
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
            Some(ExecEvent::Stderr(bytes)) => panic!("stderr: {}", String::from_utf8_lossy(&bytes)),
            None => panic!("ended before {wanted:?}, after {text:?}"),
        }
    }
    text
}
