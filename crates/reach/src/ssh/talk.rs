//! The conversation with a shell that is told what to do by its standard input, and answers between whatever a login prints.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::files::hexadecimal;
use super::{AgentProgram, failure};
use crate::connect::Joined;
use crate::{ReachError, ReachErrorKind as Kind};
use sandboxer_types::SshDestination;

/// More noise than this is no login shell's.
const MOST_NOISE: usize = 64 * 1024;
/// Bytes of the agent sent at once.
const PART: usize = 256 * 1024;
pub(super) const PLACE: &str = "name another folder for the agent, where programs may be run";
pub(super) const LOGIN_SHELL: &str =
    "`ssh` with the machine's name and `exec /bin/sh` must start a shell that reads its standard input";

/// A word that nothing else prints.
pub(crate) fn nonce() -> Result<String, ReachError> {
    use std::io::Read as _;
    let mut random = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random));
    read.map_err(|error| ReachError::local("cannot read random bytes", error))?;
    Ok(format!("sandboxer-{}", hexadecimal(&random)))
}

/// What the script says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Need,
    Socket(String),
    Fault { step: String, words: String },
    Mark,
    Entered,
}

impl Said {
    /// `None` for a line of somebody else's.
    fn parse(line: &[u8], nonce: &str) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        let rest = line.strip_prefix(nonce)?;
        if rest == "-mark" {
            return Some(Self::Mark);
        }
        let (word, rest) = rest.strip_prefix(' ')?.split_once(' ').unwrap_or((rest.trim_start(), ""));
        match word {
            "need" => Some(Self::Need),
            "entered" => Some(Self::Entered),
            "socket" => Some(Self::Socket(rest.to_owned())),
            "fault" => {
                let (step, words) = rest.split_once(' ').unwrap_or((rest, ""));
                Some(Self::Fault { step: step.to_owned(), words: words.trim().to_owned() })
            }
            _ => None,
        }
    }
}

/// Where the shell is, for failures, and how long it may be silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<'a> {
    /// `None` for a shell that a program of this machine's leads to.
    pub(crate) destination: Option<&'a SshDestination>,
    pub(crate) silence: Duration,
}

impl Site<'_> {
    pub(crate) fn name(&self) -> String {
        self.destination.map_or_else(|| "this machine".to_owned(), SshDestination::to_string)
    }
}

/// The conversation with the shell.
pub(super) struct Talk<'a> {
    stream: Joined,
    unread: BytesMut,
    /// All that was read since something was last understood.
    read: usize,
    nonce: String,
    site: &'a Site<'a>,
}

impl<'a> Talk<'a> {
    pub(super) fn begin(stream: Joined, site: &'a Site<'a>) -> Result<Self, ReachError> {
        Ok(Self { stream, unread: BytesMut::new(), read: 0, nonce: nonce()?, site })
    }

    /// The word that every line for us begins with.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The stream, from behind what was last understood.
    pub(super) fn end(mut self) -> Joined {
        self.stream.put_back(self.unread);
        self.stream
    }

    /// The next thing that the script says.
    pub(super) async fn next(&mut self) -> Result<Said, ReachError> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(end + 1);
                if let Some(said) = Said::parse(&line[..end], &self.nonce) {
                    self.read = 0;
                    return Ok(said);
                }
            }
            if self.read > MOST_NOISE {
                let message = format!("`{}` says a lot, but its login shell runs no `/bin/sh`", self.site.name());
                return Err(ReachError::new(Kind::AgentCannotRun, message).with_hint(LOGIN_SHELL));
            }
            match tokio::time::timeout(self.site.silence, self.stream.read_buf(&mut self.unread)).await {
                Ok(Ok(0)) => return Err(self.ended("ended without a word")),
                Ok(Ok(length)) => self.read += length,
                Ok(Err(error)) => return Err(self.ended(&error.to_string())),
                Err(_) => return Err(self.silent()),
            }
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), ReachError> {
        match tokio::time::timeout(self.site.silence, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.ended(&error.to_string())),
            Err(_) => Err(self.silent()),
        }
    }

    /// Sends the agent. Where the machine has enough of it, what it says next tells why.
    pub(super) async fn push(&mut self, agent: &AgentProgram) -> Result<(), ReachError> {
        let failed = |error| ReachError::local(format!("cannot read the agent `{}`", agent.path().display()), error);
        let mut file = tokio::fs::File::open(agent.path()).await.map_err(failed)?.take(agent.size());
        let mut part = BytesMut::with_capacity(PART);
        while file.read_buf(&mut part).await.map_err(failed)? > 0 {
            match tokio::time::timeout(self.site.silence, self.stream.write_all(&part)).await {
                Ok(Ok(())) => part.clear(),
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(self.silent()),
            }
        }
        if file.limit() > 0 {
            let message = format!("the agent `{}` has become shorter", agent.path().display());
            return Err(ReachError::new(Kind::Local, message));
        }
        Ok(())
    }

    /// The stream ended. Where `ssh` failed, its code is 255; any other is the shell's, or that of what it became.
    fn ended(&self, said: &str) -> ReachError {
        if let Some(destination) = self.site.destination
            && (!said.contains("(exit status: ") || said.contains("(exit status: 255)"))
        {
            return failure::explain(destination, said);
        }
        let is_refused =
            ["Permission denied", "Exec format error", "cannot execute"].iter().any(|sign| said.contains(sign));
        let message = format!("`{}` does not run the agent", self.site.name());
        let hint = if is_refused { PLACE } else { LOGIN_SHELL };
        ReachError::new(Kind::AgentCannotRun, message).with_hint(hint).with_source(said.to_owned())
    }

    fn silent(&self) -> ReachError {
        let message = format!("the login shell of `{}` has not answered for {:?}", self.site.name(), self.site.silence);
        ReachError::new(Kind::Deadline, message).with_hint(LOGIN_SHELL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_the_nonce_count() {
        let parse = |line: &str| Said::parse(line.as_bytes(), "n0");
        assert_eq!(parse("n0 need"), Some(Said::Need));
        assert_eq!(parse("n0 socket /a b/c.sock"), Some(Said::Socket("/a b/c.sock".to_owned())));
        assert_eq!(parse("n0-mark"), Some(Said::Mark));
        let fault = |words: &str| Some(Said::Fault { step: "run".to_owned(), words: words.to_owned() });
        assert_eq!((parse("n0 fault run no  way "), parse("n0 fault run")), (fault("no  way"), fault("")));
        for noise in ["", "need", "n1 need", " n0 need", "n0", "n0-marks", "n0need", "n0  need", "main() n0 need"] {
            assert_eq!(parse(noise), None, "{noise}");
        }
    }

    #[test]
    fn no_two_conversations_have_the_same_word() {
        assert_ne!(nonce().unwrap(), nonce().unwrap());
    }
}
