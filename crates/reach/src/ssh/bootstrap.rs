//! From a plain shell at the other end of a stream to a relay of the agent.
//!
//! The shell is told a constant script by its standard input, then one line that calls it with checked words. It answers
//! in lines that begin with a nonce. All goes well in one round trip: script there, the socket's name and the relay's
//! mark back. Where the agent lacks, the shell asks for it first.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::agent::Word;
use super::files::hexadecimal;
use super::{AgentPlace, AgentProgram, SshMaster, failure};
use crate::connect::Joined;
use crate::{ReachError, ReachErrorKind as Kind};
use sandboxer_types::SshDestination;

const SCRIPT: &str = include_str!("bootstrap.sh");
/// More noise than this is no login shell's.
const MOST_NOISE: usize = 64 * 1024;
/// Bytes of the agent sent at once.
const PART: usize = 256 * 1024;

/// A relay that answers.
pub(crate) struct Relayed {
    /// HTTP/2 with the agent from here on.
    pub(crate) stream: Joined,
    /// The agent's socket on the machine.
    pub(crate) socket: String,
}

/// Makes the shell behind `stream` a relay. Nothing half done stays on the machine, whatever happens.
pub(crate) async fn bootstrap(
    stream: Joined,
    master: &SshMaster,
    agent: &AgentProgram,
    place: &AgentPlace,
) -> Result<Relayed, ReachError> {
    let (destination, silence) = (master.destination(), master.settings().silence);
    let mut talk = Talk { stream, unread: BytesMut::new(), read: 0, nonce: nonce()?, destination, silence };
    let script = script(&talk.nonce, agent, place)?;
    talk.send(script.as_bytes()).await?;
    let mut socket = None;
    loop {
        match talk.next().await? {
            Said::Need => talk.push(agent).await?,
            Said::Socket(path) => socket = Some(path),
            Said::Mark => {
                let socket = socket.ok_or_else(|| ReachError::protocol("the relay answered before the shell did"))?;
                talk.stream.put_back(talk.unread);
                return Ok(Relayed { stream: talk.stream, socket });
            }
            Said::Fault { step, words } => return Err(fault(destination, agent, &step, &words)),
        }
    }
}

/// The constant script, and a line that calls it.
fn script(nonce: &str, agent: &AgentProgram, place: &AgentPlace) -> Result<String, ReachError> {
    let [programs, sockets] = place.words();
    let size = agent.size().to_string();
    let known = [nonce, agent.digest(), &size, agent.machine()].map(Word::new);
    let mut script = SCRIPT.to_owned();
    script.push_str("main");
    for word in known.into_iter().chain([Some(programs), Some(sockets)]) {
        let word = word.ok_or_else(|| ReachError::new(Kind::InvalidInput, "a word is not fit for a shell"))?;
        script.push_str(" '");
        script.push_str(word.as_str());
        script.push('\'');
    }
    script.push('\n');
    Ok(script)
}

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
enum Said {
    Need,
    Socket(String),
    Fault { step: String, words: String },
    Mark,
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
            "socket" => Some(Self::Socket(rest.to_owned())),
            "fault" => {
                let (step, words) = rest.split_once(' ').unwrap_or((rest, ""));
                Some(Self::Fault { step: step.to_owned(), words: words.trim().to_owned() })
            }
            _ => None,
        }
    }
}

/// The conversation with the shell.
struct Talk<'a> {
    stream: Joined,
    unread: BytesMut,
    /// All that was read since something was last understood.
    read: usize,
    nonce: String,
    destination: &'a SshDestination,
    silence: Duration,
}

impl Talk<'_> {
    /// The next thing that the script says.
    async fn next(&mut self) -> Result<Said, ReachError> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(end + 1);
                if let Some(said) = Said::parse(&line[..end], &self.nonce) {
                    self.read = 0;
                    return Ok(said);
                }
            }
            if self.read > MOST_NOISE {
                let message = format!("`{}` says a lot, but its login shell runs no `/bin/sh`", self.destination);
                return Err(ReachError::new(Kind::AgentCannotRun, message).with_hint(LOGIN_SHELL));
            }
            match tokio::time::timeout(self.silence, self.stream.read_buf(&mut self.unread)).await {
                Ok(Ok(0)) => return Err(self.ended("ended without a word")),
                Ok(Ok(length)) => self.read += length,
                Ok(Err(error)) => return Err(self.ended(&error.to_string())),
                Err(_) => return Err(self.silent()),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ReachError> {
        match tokio::time::timeout(self.silence, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.ended(&error.to_string())),
            Err(_) => Err(self.silent()),
        }
    }

    /// Sends the agent. Where the machine has enough of it, what it says next tells why.
    async fn push(&mut self, agent: &AgentProgram) -> Result<(), ReachError> {
        let failed = |error| ReachError::local(format!("cannot read the agent `{}`", agent.path().display()), error);
        let mut file = tokio::fs::File::open(agent.path()).await.map_err(failed)?.take(agent.size());
        let mut part = BytesMut::with_capacity(PART);
        while file.read_buf(&mut part).await.map_err(failed)? > 0 {
            match tokio::time::timeout(self.silence, self.stream.write_all(&part)).await {
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
        if !said.contains("(exit status: ") || said.contains("(exit status: 255)") {
            return failure::explain(self.destination, said);
        }
        let is_refused =
            ["Permission denied", "Exec format error", "cannot execute"].iter().any(|sign| said.contains(sign));
        let message = format!("`{}` does not run the agent", self.destination);
        let hint = if is_refused { PLACE } else { LOGIN_SHELL };
        ReachError::new(Kind::AgentCannotRun, message).with_hint(hint).with_source(said.to_owned())
    }

    fn silent(&self) -> ReachError {
        let message = format!("the login shell of `{}` has not answered for {:?}", self.destination, self.silence);
        ReachError::new(Kind::Deadline, message).with_hint(LOGIN_SHELL)
    }
}

const PLACE: &str = "name another folder for the agent, where programs may be run";
const ROOM: &str = "make room, or name another folder for the agent";
const LOGIN_SHELL: &str =
    "`ssh` with the machine's name and `exec /bin/sh` must start a shell that reads its standard input";

/// The failure of a step of the script.
fn fault(destination: &SshDestination, agent: &AgentProgram, step: &str, words: &str) -> ReachError {
    let full = ["No space left", "quota", "File too large"].iter().any(|sign| words.contains(sign));
    let (kind, message, hint) = match step {
        "machine" => (
            Kind::AgentCannotRun,
            format!("`{destination}` is `{words}`, and the agent is for `{}`", agent.machine()),
            "use an agent that was built for that machine",
        ),
        "missing" => (
            Kind::AgentCannotRun,
            format!("`{destination}` has no `{words}`"),
            "install it, or put the agent there by hand",
        ),
        "folder" | "write" if full => (Kind::Exhausted, format!("`{destination}` has no room for the agent"), ROOM),
        "folder" | "write" => (Kind::AgentCannotRun, format!("`{destination}` does not take the agent"), PLACE),
        "run" => (Kind::AgentCannotRun, format!("`{destination}` does not run the agent"), PLACE),
        "short" => (Kind::Unreachable, format!("the agent did not reach `{destination}` whole"), "try again"),
        "digest" => (
            Kind::Local,
            format!("what reached `{destination}` is not the agent that was announced"),
            "its file was changed meanwhile: try again",
        ),
        _ => (
            Kind::Protocol,
            format!("`{destination}` failed in an unknown step `{step}`"),
            "use the same version on both sides",
        ),
    };
    let error = ReachError::new(kind, message).with_hint(hint);
    if words.is_empty() { error } else { error.with_source(words.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_constant_but_for_checked_words() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let agent = AgentProgram::read(file.path()).unwrap();
        let place = AgentPlace::default().with_programs("/opt/x").unwrap();
        let text = script("sandboxer-00", &agent, &place).unwrap();
        let call = text.strip_prefix(SCRIPT).unwrap();
        assert_eq!(call, format!("main 'sandboxer-00' '{}' '0' 'any' '/opt/x' ''\n", agent.digest()));
        assert!(script("it's", &agent, &place).is_err());
        assert_ne!(nonce().unwrap(), nonce().unwrap());
    }

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
}
