//! Places inside that can be connected to.

use std::fmt;
use std::path::PathBuf;

/// A TCP port that is listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// The local address it is bound to, as numbers.
    pub address: String,
    /// The user who listens, or the number where it has no name.
    pub owner: String,
}

/// What to connect to inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A TCP port of the sandbox's own loopback interface.
    Port(u16),
    /// A unix socket; relative to the user's home.
    Socket(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(formatter, "{port}"),
            Self::Socket(path) => write!(formatter, "{}", path.display()),
        }
    }
}
