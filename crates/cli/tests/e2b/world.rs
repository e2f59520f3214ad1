//! A sandbox of a test's own: a namespace, an agent, and maybe a control plane.

use crate::agent;
use crate::namespace::Namespace;
use crate::running::{Outcome, Running};
use crate::sdk;
use crate::server::Server;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

/// The port of the stub control plane.
const CONTROL_PLANE: u16 = 3000;
const TOKEN: &str = "a-token-of-the-tests";
/// The only key that the stub takes.
const API_KEY: &str = "e2b_0000000000000000000000000000000000000000";

/// How an SDK finds the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// At localhost:49983, without a control plane, and as the newest envd.
    Debug,
    /// By a control plane, with a token, and as what it reports to be.
    Url,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Url => "url",
        }
    }
}

pub(crate) struct World {
    // Ended first: its processes write to what comes after it.
    namespace: Namespace,
    agent: Server,
    _control_plane: Option<Server>,
    folder: tempfile::TempDir,
    mode: Mode,
}

impl World {
    pub(crate) fn new(mode: Mode) -> Self {
        // On a disk: not every memory file system keeps the attributes of files that hold their metadata.
        let folder = tempfile::Builder::new().prefix("sandboxer-e2b-").tempdir_in("/var/tmp").expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
        let home = agent::home(folder.path());
        std::fs::create_dir(&home).expect("ours");
        chown(&home, Some(agent::USER_ID), Some(agent::USER_ID)).expect("root may");
        let token = folder.path().join("token");
        std::fs::write(&token, TOKEN).expect("ours");
        let namespace = Namespace::new();
        let command = agent::command(&namespace, folder.path(), (mode == Mode::Url).then_some(&token));
        let agent = Server::start(&namespace, command, agent::PORT, folder.path().join("agent.log"));
        let control_plane = (mode == Mode::Url).then(|| {
            let mut command = namespace.command(sdk::PYTHON_2_63_0.program());
            command.arg(sdk::script("python/control_plane.py")).arg(CONTROL_PLANE.to_string());
            command.arg(agent::envd_version()).arg(&token).env("PYTHONDONTWRITEBYTECODE", "1");
            Server::start(&namespace, command, CONTROL_PLANE, folder.path().join("control_plane.log"))
        });
        Self { namespace, agent, _control_plane: control_plane, folder, mode }
    }

    /// A command that finds the agent as the mode wants it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = self.namespace.command(program);
        command.env("HOME", self.folder()).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(self.folder());
        match self.mode {
            Mode::Debug => command.env("E2B_DEBUG", "true"),
            Mode::Url => command
                .env("E2B_API_URL", format!("http://localhost:{CONTROL_PLANE}"))
                .env("E2B_SANDBOX_URL", format!("http://localhost:{}", agent::PORT))
                .env("E2B_API_KEY", API_KEY),
        };
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, command: Command) -> Outcome {
        Running::start(command, None).finish()
    }

    /// A folder for whatever the test needs. The default user's home is in it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the agent wrote so far.
    pub(crate) fn agent_said(&self) -> String {
        self.agent.wrote()
    }
}
