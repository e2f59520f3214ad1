//! A place of a test's own, from where machines are reached.

use sandboxer_machinery::{Process, Sshd, SshdOptions, until};
use sandboxer_reach::{Machines, Route, SshSettings};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The agent: the program as users have it.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sandboxer");

/// A folder with what machines need, and an ssh server whose logins have a home there.
pub(crate) struct Place {
    // Before the folder: it ends first.
    sshd: Sshd,
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("sandboxer-machines-").unwrap();
        for name in ["home", "server", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let options = SshdOptions { home: Some(folder.path().join("home")), ..SshdOptions::default() };
        std::fs::write(folder.path().join("config"), "").unwrap();
        let sshd = Sshd::start(&folder.path().join("server"), &options);
        Self { sshd, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ways(&self) -> Arc<Machines> {
        self.ways_of(Path::new(PROGRAM))
    }

    /// By that program as the agent.
    pub(crate) fn ways_of(&self, program: &Path) -> Arc<Machines> {
        let mut settings = SshSettings::new(self.path("ssh"));
        settings.config = Some(self.path("config"));
        settings.identity = Some(self.path("server/id"));
        Arc::new(Machines::new(settings, program, self.path("here")))
    }

    /// This machine, and the one behind ssh.
    pub(crate) fn routes(&self) -> [Route; 2] {
        let destination = format!("127.0.0.1:{}", self.sshd.port());
        [Route::Here, Route::to(Some(destination.parse().unwrap()))]
    }

    /// The same machine, by way of itself.
    pub(crate) fn roundabout(&self) -> Route {
        let destination: sandboxer_types::SshDestination = format!("127.0.0.1:{}", self.sshd.port()).parse().unwrap();
        Route::Ssh { destination: destination.clone(), jump: Some(destination) }
    }

    pub(crate) fn sshd(&self) -> &Sshd {
        &self.sshd
    }
}

impl Drop for Place {
    /// Ends every agent that was started from here or put there, by its number.
    fn drop(&mut self) {
        let folder = self.folder.path().to_owned();
        self.sshd.stop();
        for pid in agents(&folder) {
            sandboxer_machinery::end(pid);
        }
        until("every agent of this test has ended", || agents(&folder).is_empty().then_some(()));
    }
}

/// Daemons whose socket is in `folder`, or that were started from there or for a sandbox of this process's; and connections of
/// ssh that have their sockets there.
fn agents(folder: &Path) -> Vec<u32> {
    let folder = folder.to_str().unwrap();
    let own = format!("-{}\0", std::process::id());
    let is_ours = |pid: &u32| {
        let read = |what: &str| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let (command, environment) = (read("cmdline"), read("environ"));
        let log = std::fs::read_link(format!("/proc/{pid}/fd/2")).unwrap_or_default();
        let is_agent = contains(&command, "--inherited");
        let is_here = log.starts_with(folder) || contains(&environment, folder);
        let is_named = contains(&environment, "SANDBOXER_SANDBOX=sbx") && contains(&environment, &own);
        let is_connection = command.starts_with(b"ssh\0-M\0") && contains(&command, folder);
        (is_agent && (is_here || is_named)) || is_connection
    };
    Process::all().map(|process| process.pid).filter(is_ours).collect()
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}
