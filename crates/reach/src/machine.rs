//! A machine that sandboxes are placed on, and what of ours is there.

use sandboxer_types::SshDestination;
use std::fmt;

/// Where a machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// It is this one.
    Here,
    /// It is reached by ssh.
    Ssh {
        /// Where its ssh server is, as the last machine before it sees that.
        destination: SshDestination,
        /// The machine to go through, if any.
        jump: Option<SshDestination>,
    },
}

impl Route {
    /// Straight to that destination; to this machine for `None`.
    pub fn to(destination: Option<SshDestination>) -> Self {
        match destination {
            Some(destination) => Self::Ssh { destination, jump: None },
            None => Self::Here,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => formatter.write_str("this machine"),
            Self::Ssh { destination, jump: None } => write!(formatter, "{destination}"),
            Self::Ssh { destination, jump: Some(jump) } => write!(formatter, "{destination} through {jump}"),
        }
    }
}
