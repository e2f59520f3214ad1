//! Why an agent cannot run.

use std::io;
use std::path::PathBuf;

/// Why an agent did not start, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The socket or address could not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A descriptor that should have been inherited is not usable.
    #[error("inherited descriptor {descriptor} is not usable")]
    Descriptor {
        /// Its number.
        descriptor: i32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The process could not be set up as an agent's.
    #[error("cannot {action}")]
    Setup {
        /// What could not be done.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others could put a socket of theirs where the daemon's should be.
    #[error("`{}` belongs to somebody else, or others can write to it", folder.display())]
    OthersFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The socket's path is taken by something that is no socket.
    #[error("`{}` exists and is no socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// A file that was sent could not be put where it belongs.
    #[error("`{}`: {source}", path.display())]
    Unpack {
        /// Which, below its folder; or the folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl AgentError {
    pub(crate) fn setup(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Setup { action, source }
    }
}
