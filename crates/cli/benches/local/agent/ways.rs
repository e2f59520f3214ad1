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

/// What is aimed at over one of them.
pub(crate) struct Aims {
    pub(crate) exec: &'static str,
    pub(crate) echo: &'static str,
    pub(crate) beside: &'static str,
    pub(crate) crowd: &'static str,
    /// In MB/s.
    pub(crate) content: &'static str,
}

impl Aims {
    const NONE: Self = Self { exec: "-", echo: "-", beside: "-", crowd: "-", content: "-" };
    const OF_CALLS: Self =
        Self { exec: "≤ 1.2, p99 ≤ 3", echo: "≤ 0.5", beside: "≤ 3", crowd: "≥ 1,500", content: "-" };
}

/// One open connection.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) session: AgentSession,
    pub(crate) aims: Aims,
}

impl Way {
    pub(crate) async fn unix(agent: &Agent) -> Self {
        Self::open("unix socket", Aims { content: "≥ 500", ..Aims::OF_CALLS }, &UnixSocket(agent.socket.clone())).await
    }

    pub(crate) async fn stdio() -> Self {
        Self::open(
            "stdio",
            Aims { content: "≥ 350", ..Aims::OF_CALLS },
            &ProcessStream::new([&binary(), "agent", "--stdio"]),
        )
        .await
    }

    /// To the same agent as the unix socket.
    pub(crate) async fn relay(agent: &Agent) -> Self {
        let words = [&binary(), "agent", "--relay", agent.socket.to_str().unwrap()];
        Self::open("relay", Aims::NONE, &ProcessStream::new(words)).await
    }

    /// To a machine's agent, by an open connection of ssh.
    pub(crate) fn ssh(session: AgentSession) -> Self {
        let aims =
            Aims { exec: "≤ 1.5, p99 ≤ 3", echo: "-", beside: "≤ 5", crowd: "≥ 1,500", content: "≥ 350" };
        Self { name: "ssh", session, aims }
    }

    async fn open(name: &'static str, aims: Aims, connector: &dyn Connector) -> Self {
        let session = AgentSession::connect(connector, SessionOptions::default()).await.unwrap();
        Self { name, session, aims }
    }
}
