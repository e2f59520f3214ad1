//! Where the shell of a plain session is.

use std::ffi::OsString;
use std::time::Duration;

use crate::ssh::{Site, SshMaster, entering_line, explain};
use crate::{ReachError, ReachErrorKind as Kind};

/// A shell that a command of this machine leads to may be silent for so long.
const SILENCE: Duration = Duration::from_secs(30);

/// A machine's shell, or one that is entered from there.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// `None` for this machine.
    pub(super) master: Option<SshMaster>,
    /// Words that enter a sandbox from the machine; none for the machine itself.
    pub(super) enter: Vec<String>,
}

impl Gate {
    /// Makes the connection where it lacks.
    pub(super) async fn open(&self) -> Result<(), ReachError> {
        match &self.master {
            Some(master) => master.open().await,
            None => Ok(()),
        }
    }

    /// A program that becomes the machine's shell, and reads its standard input.
    pub(super) fn argv(&self) -> Vec<OsString> {
        self.master.as_ref().map_or_else(|| vec!["/bin/sh".into()], SshMaster::session_argv)
    }

    /// What the machine's shell is told so that it becomes the sandbox's, and says that it does.
    pub(super) fn entering(&self, nonce: &str) -> Result<Option<String>, ReachError> {
        if self.enter.is_empty() { Ok(None) } else { entering_line(nonce, &self.enter).map(Some) }
    }

    pub(super) fn site(&self) -> Site<'_> {
        match &self.master {
            Some(master) => Site { destination: Some(master.destination()), silence: master.settings().silence },
            None => Site { destination: None, silence: SILENCE },
        }
    }

    /// A stream that ended before it was told how the call went.
    pub(super) fn lost(&self, said: &str) -> ReachError {
        match &self.master {
            // Where ssh has nothing to say, it is not to blame.
            Some(master) if self.enter.is_empty() || !said.trim().is_empty() => explain(master.destination(), said),
            _ => ReachError::new(Kind::Unreachable, "the sandbox cannot be entered")
                .with_hint("what it runs in may have ended: `sandboxer show` tells how it is")
                .with_source(said.to_owned()),
        }
    }
}
