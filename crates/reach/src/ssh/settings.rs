//! What the embedder decides about `ssh`.

use std::path::PathBuf;
use std::time::Duration;

use sandboxer_types::SshDestination;

/// How `ssh` is run, and where what it needs is kept.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// The program.
    pub program: PathBuf,
    /// Where control sockets, logs, locks and the keys of machines are kept: an absolute path, short enough for sockets
    /// in it, made where it lacks, and nobody else's.
    pub folder: PathBuf,
    /// A configuration file instead of the user's and the system's.
    pub config: Option<PathBuf>,
    /// A key file instead of those that the configuration or the user's ssh agent offers.
    pub identity: Option<PathBuf>,
    /// The machine to go through: what a destination means is then seen from there.
    pub jump: Option<SshDestination>,
    /// How long a connection stays that nobody uses.
    pub linger: Duration,
    /// How long to wait for the machine to answer at all.
    pub connect_timeout: Duration,
    /// How long to wait for a login as a whole, jump hosts and touches of a hardware key included.
    pub login_timeout: Duration,
    /// How long to wait for a sign of life from a login shell or a relay that is being started.
    pub silence: Duration,
}

impl SshSettings {
    /// The `ssh` of the search path with the user's own configuration. What it needs is kept in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            program: "ssh".into(),
            folder: folder.into(),
            config: None,
            identity: None,
            jump: None,
            linger: Duration::from_secs(600),
            connect_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(60),
            silence: Duration::from_secs(30),
        }
    }
}
