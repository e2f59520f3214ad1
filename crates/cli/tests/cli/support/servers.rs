//! Machines behind ssh, and a house whose ssh configuration knows them.

use super::house::{House, Who};
use super::running::{Outcome, Running};
use sandboxer_machinery::{Sshd, SshdOptions};
use std::path::PathBuf;

/// A house, and an ssh server for each name by which its ssh configuration knows one. All that was started by way of them ends
/// with this.
pub(crate) struct Servers {
    // Before the house: they end first.
    servers: Vec<(&'static str, Sshd)>,
    pub(crate) house: House,
}

impl Servers {
    /// The first of them is also what is found at a port of a loopback.
    pub(crate) fn new(names: &[&'static str]) -> Self {
        let house = House::new(Who::Caller);
        let mut config = String::new();
        let mut servers = Vec::new();
        for name in names {
            let folder = house.path(name);
            let home = folder.join("home");
            std::fs::create_dir_all(&home).expect("a new folder");
            let server = Sshd::start(&folder, &SshdOptions { home: Some(home), ..SshdOptions::default() });
            let (port, key) = (server.port(), folder.join("id"));
            config += &format!("Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {}\n", key.display());
            servers.push((*name, server));
        }
        let key = house.path(names.first().expect("at least one")).join("id");
        config += &format!("Host 127.0.0.1\n  IdentityFile {}\nHost *\n  IdentitiesOnly yes\n", key.display());
        std::fs::write(house.path("ssh-config"), config).expect("ours");
        Self { servers, house }
    }

    /// The server of that name.
    pub(crate) fn server(&self, name: &str) -> &Sshd {
        let found = self.servers.iter().find(|(known, _)| *known == name);
        found.map(|(_, server)| server).expect("one of those that were started")
    }

    /// The home of whoever logs in there.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.house.path(name).join("home")
    }

    /// The house's ssh configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.house.path("ssh-config")
    }

    /// Runs `sandboxer` with the house's catalog and that configuration.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.house.command(&[&["--catalog", "catalog"], arguments].concat());
        command.env("SANDBOXER_SSH_CONFIG", self.config());
        self.house.noted(Running::start(command, None).finish())
    }

    /// Ends the servers, and what was started by way of them.
    pub(crate) fn end(&self) {
        self.servers.iter().for_each(|(_, server)| server.stop());
        self.house.end_what_stays();
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.end();
    }
}
