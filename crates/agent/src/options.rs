//! What the agent is told when it starts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::Token;

/// Everything the agent is told when it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Where it listens.
    pub listen: Listen,
    /// Whether it is the first process of its sandbox: it then reaps every orphan, takes no signal, and its commands,
    /// root's too, cannot trace what is not theirs, so that they cannot look into the agent.
    #[serde(default)]
    pub init: bool,
    /// Whether it becomes the parent of what its commands leave running, and stays as long as that does: so whoever ends the
    /// sandbox on a machine that others use, too, finds it.
    #[serde(default)]
    pub adopts: bool,
    /// The user of requests that name none.
    pub default_user: String,
    /// Inherited descriptors, open for writing, of the `cgroup.procs` (or `tasks`) files that every command joins. A
    /// command that cannot join does not start.
    #[serde(default)]
    pub commands_cgroup_fds: Vec<RawFd>,
    /// Limits of each command.
    #[serde(default)]
    pub command_rlimits: CommandLimits,
    /// Where commands run that name no directory, if it exists; else the user's home.
    #[serde(default)]
    pub workdir: Option<PathBuf>,
    /// Variables of every command, beside those of its user and before those of its request.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Whether commands may not gain privileges by set-uid programs. On by default.
    #[serde(default = "yes")]
    pub no_new_privileges: bool,
    /// The home of the default user where `/etc/passwd` does not know it (a directory service's account on a machine
    /// reached over ssh). Only for an agent that runs as that user.
    #[serde(default)]
    pub default_home: Option<PathBuf>,
    /// What clients must show. Not part of what travels as text.
    #[serde(skip)]
    pub token: Option<Token>,
    /// Ends after so long without a connection, a command and a lease.
    #[serde(default)]
    pub leave_when_idle: Option<Duration>,
}

impl Options {
    /// The options of an agent that listens there and runs commands as `default_user`, all else by default.
    pub fn new(listen: Listen, default_user: impl Into<String>) -> Self {
        Self {
            listen,
            init: false,
            adopts: false,
            default_user: default_user.into(),
            commands_cgroup_fds: Vec::new(),
            command_rlimits: CommandLimits::default(),
            workdir: None,
            environment: BTreeMap::new(),
            no_new_privileges: true,
            default_home: None,
            token: None,
            leave_when_idle: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// Where the agent listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listen {
    /// A descriptor of a unix socket that is bound and listening already.
    InheritedFd(RawFd),
    /// A unix socket to bind, for its owner alone. One that stands there is replaced.
    Unix(PathBuf),
    /// A TCP address to bind.
    Tcp(SocketAddr),
    /// The standard input and output, for one client. It ends when that client goes.
    Stdio,
}

/// Resource limits of each command; both the soft and the hard one. What is absent stays as the agent found it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandLimits {
    /// Processes of the command's user.
    pub nproc: Option<u64>,
    /// Open descriptors of a process.
    pub nofile: Option<u64>,
    /// Bytes of a core file.
    pub core: Option<u64>,
    /// Bytes of a written file.
    pub fsize: Option<u64>,
    /// Bytes of a process's stack.
    pub stack: Option<u64>,
    /// Bytes that a process may lock in memory.
    pub memlock: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_read_what_they_write() {
        let mut options = Options::new(Listen::InheritedFd(3), "user");
        options.command_rlimits.nproc = Some(512);
        let text = serde_json::to_string(&options).unwrap();
        let read = serde_json::from_str::<Options>(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn little_is_needed() {
        let options: Options =
            serde_json::from_str(r#"{"listen":{"tcp":"127.0.0.1:49983"},"default_user":"root"}"#).unwrap();
        assert_eq!(options.listen, Listen::Tcp("127.0.0.1:49983".parse().unwrap()));
        assert_eq!((options.default_user.as_str(), options.no_new_privileges), ("root", true));
    }
}
