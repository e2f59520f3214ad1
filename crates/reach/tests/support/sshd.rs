//! A machine to log in to: the private ssh server of `sandboxer-machinery`, with a home and an agent of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandboxer_agent::{Listen, Options};
use sandboxer_machinery::{Process, Sshd, SshdOptions};
use sandboxer_reach::{AgentPlace, AgentProgram, Ssh, SshMaster, SshSettings};
use sandboxer_types::SshDestination;
use tempfile::TempDir;

use super::{Details, MARK, SOCKET, end_daemon, own_name, player};

/// The server, its folder, and all that was started by way of it; they go with it.
pub struct Machine {
    server: Sshd,
    folder: TempDir,
}

impl Machine {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With more lines in the server's configuration. Of two for one thing, the first counts: these.
    pub fn start_with(lines: &str) -> Self {
        let folder = TempDir::with_prefix("sandboxer-ssh-").unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::write(folder.path().join("config"), "").unwrap();
        let options = SshdOptions { home: Some(home), lines: lines.to_owned(), ..SshdOptions::default() };
        Self { server: Sshd::start(folder.path(), &options), folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Of the account, whose shell reads its `.bashrc` there.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub fn destination(&self) -> SshDestination {
        format!("{}@127.0.0.1:{}", own_name(), self.server.port()).parse().unwrap()
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
        self.server.stop();
    }

    /// Starts the server again, on the same port.
    pub fn start_again(&self) {
        self.server.start_again();
    }

    /// Gives the machine another key from the next start on.
    pub fn change_key(&self) {
        self.server.change_key();
    }

    /// Ends the agent and its commands.
    pub fn end_agent(&self) {
        end_daemon(&self.path("daemon.pid"));
    }

    /// The masters that run for this machine's folder.
    pub fn masters(&self) -> usize {
        let folder = self.path("ssh").to_str().unwrap().to_owned();
        let is_ours = |process: &Process| process.command.starts_with("ssh -M ") && process.command.contains(&folder);
        Process::all().filter(is_ours).count()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
        self.end_agent();
    }
}
