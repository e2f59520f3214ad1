//! The agent of this machine, or of a sandbox that is entered from here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;

use super::{ByteStream, Connector, ProcessStream};
use crate::ssh::{AgentPlace, AgentProgram, PROTOCOL, Site, bootstrap, nonce, shell_inside};
use crate::{Doorway, ReachError, ReachErrorKind};

/// A shell that a command of this machine leads to may be silent for so long.
const SILENCE: Duration = Duration::from_secs(30);
/// `sun_path` holds 108 bytes with its closing zero.
const LONGEST_SOCKET: usize = 107;
/// Leaves room for the longest id of a sandbox.
const LONGEST_FOLDER: usize = 58;

/// An agent that this machine runs for its user, or that a sandbox on it does. It stays when the connection ends, and leaves
/// when nobody needs it any more.
#[derive(Debug, Clone)]
pub(crate) struct Here {
    pub(crate) program: PathBuf,
    /// Of the sockets; the user's alone.
    pub(crate) folder: PathBuf,
    pub(crate) agent: AgentProgram,
    pub(crate) door: Option<Doorway>,
    /// Variables that no agent gets.
    pub(crate) withheld: Vec<OsString>,
}

impl Here {
    /// By a relay of this program's.
    fn relay(&self, mark: &str) -> Result<ProcessStream, ReachError> {
        let sandbox = self.door.as_ref().map(|door| door.sandbox.to_string());
        let name = sandbox.as_ref().map_or_else(|| PROTOCOL.to_owned(), |sandbox| format!("{PROTOCOL}-{sandbox}"));
        let socket = self.folder.join(format!("{name}.sock"));
        if socket.as_os_str().len() > LONGEST_SOCKET {
            let message = format!("`{}` is too long for a socket", socket.display());
            let hint = format!(
                "name a state directory whose path is shorter: that of `{}` has {LONGEST_FOLDER} bytes at most",
                self.folder.display()
            );
            return Err(ReachError::new(ReachErrorKind::InvalidInput, message).with_hint(hint));
        }
        let mut words: Vec<OsString> = vec![self.program.clone().into(), "agent".into(), "--relay".into()];
        words.push(socket.into());
        words.extend(["--mark".into(), mark.into()]);
        words.extend(sandbox.into_iter().flat_map(|sandbox| ["--sandbox".into(), sandbox.into()]));
        Ok(self.stream(words).after_mark(mark))
    }

    fn stream(&self, words: Vec<OsString>) -> ProcessStream {
        ProcessStream::new(words).without(&self.withheld)
    }

    async fn open(&self) -> Result<Box<dyn ByteStream>, ReachError> {
        let failed = |error| ReachError::local("cannot start the agent here", error);
        let mark = nonce()?;
        let Some(door) = self.door.as_ref().filter(|door| !door.enter.is_empty()) else {
            return Ok(Box::new(self.relay(&mark)?.open().await.map_err(failed)?));
        };
        let site = Site { destination: None, silence: SILENCE };
        match door.relay() {
            Some(mut words) => {
                words.push(mark.clone());
                let stream = self.stream(words.into_iter().map(OsString::from).collect());
                Ok(Box::new(stream.after_mark(mark).open().await.map_err(|error| unentered(door, error))?))
            }
            None => {
                let shell = self.stream(vec!["/bin/sh".into()]).open().await.map_err(failed)?;
                let inside = shell_inside(shell, &site, &door.enter).await?;
                let relayed =
                    bootstrap(inside, &site, &self.agent, &AgentPlace::default(), Some(&door.sandbox)).await?;
                Ok(Box::new(relayed.stream))
            }
        }
    }
}

fn unentered(door: &Doorway, error: io::Error) -> ReachError {
    let message = format!("the agent in `{}` does not answer", door.sandbox);
    ReachError::new(ReachErrorKind::Unreachable, message)
        .with_hint("what enters the sandbox may have ended: `sandboxer show` tells how it is")
        .with_source(error)
}

impl fmt::Display for Here {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.door {
            Some(door) => write!(formatter, "{} on this machine", door.sandbox),
            None => formatter.write_str("this machine"),
        }
    }
}

#[async_trait]
impl Connector for Here {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        self.open().await.map_err(io::Error::other)
    }
}
