//! The agent under measurement, and the ways to it.

use crate::commands::binary;
use sandboxer_reach::{AgentSession, Connector, ProcessStream, SessionOptions, UnixSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A folder in memory where there is one, so that no disk is measured.
pub(crate) fn memory_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// One that listens at a unix socket; killed when dropped.
pub(crate) struct Agent {
    process: Child,
    socket: PathBuf,
}

impl Agent {
    pub(crate) fn start(folder: &Path) -> Self {
        let socket = folder.join("agent.sock");
        let mut command = Command::new(binary());
        command.args(["agent", "--listen", &format!("unix:{}", socket.display())]).stderr(Stdio::null());
        let agent = Self { process: command.spawn().unwrap(), socket };
        while UnixStream::connect(&agent.socket).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        agent
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
    /// In megabytes.
    pub(crate) fn peak_memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// One open connection.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) session: AgentSession,
    /// The slowest that content may be, in MB/s.
    pub(crate) least: u32,
}

impl Way {
    pub(crate) async fn unix(agent: &Agent) -> Self {
        Self::open("unix socket", 500, &UnixSocket(agent.socket.clone())).await
    }

    pub(crate) async fn stdio() -> Self {
        Self::open("stdio", 350, &ProcessStream::new([&binary(), "agent", "--stdio"])).await
    }

    /// To the same agent as the unix socket.
    pub(crate) async fn relay(agent: &Agent) -> Self {
        let words = [&binary(), "agent", "--relay", agent.socket.to_str().unwrap()];
        Self::open("relay", 350, &ProcessStream::new(words)).await
    }

    async fn open(name: &'static str, least: u32, connector: &dyn Connector) -> Self {
        let session = AgentSession::connect(connector, SessionOptions::default()).await.unwrap();
        Self { name, session, least }
    }
}
