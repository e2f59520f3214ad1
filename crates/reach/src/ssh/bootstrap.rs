//! From a plain shell at the other end of a stream to a relay of the agent.
//!
//! The shell is told a constant script by its standard input, then one line that calls it with checked words. It answers
//! in lines that begin with a nonce. All goes well in one round trip: script there, the socket's name and the relay's
//! mark back. Where the agent lacks, the shell asks for it first.

use super::agent::Word;
use super::talk::{PLACE, Said, Site, Talk};
use super::{AgentPlace, AgentProgram, PROTOCOL};
use crate::connect::Joined;
use crate::{ReachError, ReachErrorKind as Kind};
use sandboxer_types::SandboxMark;

const SCRIPT: &str = include_str!("bootstrap.sh");

/// A relay that answers.
pub(crate) struct Relayed {
    /// HTTP/2 with the agent from here on.
    pub(crate) stream: Joined,
    /// The agent's socket on the machine.
    pub(crate) socket: String,
}

/// Makes the shell behind `stream` a relay to the machine's agent, or to that of a sandbox there. Nothing half done stays
/// on the machine, whatever happens.
pub(crate) async fn bootstrap(
    stream: Joined,
    site: &Site<'_>,
    agent: &AgentProgram,
    place: &AgentPlace,
    sandbox: Option<&SandboxMark>,
) -> Result<Relayed, ReachError> {
    let mut talk = Talk::begin(stream, site)?;
    let script = script(talk.nonce(), agent, place, sandbox)?;
    talk.send(script.as_bytes()).await?;
    let mut socket = None;
    loop {
        match talk.next().await? {
            Said::Need => talk.push(agent).await?,
            Said::Socket(path) => socket = Some(path),
            Said::Mark => {
                let socket = socket.ok_or_else(|| ReachError::protocol("the relay answered before the shell did"))?;
                return Ok(Relayed { stream: talk.end(), socket });
            }
            Said::Entered => return Err(ReachError::protocol("the shell says what it was not asked for")),
            Said::Fault { step, words } => return Err(fault(&site.name(), agent, &step, &words)),
        }
    }
}

/// The constant script, and a line that calls it.
fn script(
    nonce: &str,
    agent: &AgentProgram,
    place: &AgentPlace,
    sandbox: Option<&SandboxMark>,
) -> Result<String, ReachError> {
    let [programs, sockets] = place.words();
    let size = agent.size().to_string();
    let known = [nonce, agent.digest(), &size, agent.machine()].map(Word::new);
    let mut script = SCRIPT.to_owned();
    script.push_str("main");
    let sandbox = Word::new(sandbox.map(SandboxMark::to_string).unwrap_or_default());
    for word in known.into_iter().chain([Some(programs), Some(sockets), sandbox, Word::new(PROTOCOL)]) {
        let word = word.ok_or_else(|| ReachError::new(Kind::InvalidInput, "a word is not fit for a shell"))?;
        script.push_str(" '");
        script.push_str(word.as_str());
        script.push('\'');
    }
    script.push('\n');
    Ok(script)
}

const ROOM: &str = "make room, or name another folder for the agent";

/// The failure of a step of the script.
fn fault(destination: &str, agent: &AgentProgram, step: &str, words: &str) -> ReachError {
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
        let text = script("sandboxer-00", &agent, &place, None).unwrap();
        let call = text.strip_prefix(SCRIPT).unwrap();
        assert_eq!(call, format!("main 'sandboxer-00' '{}' '0' 'any' '/opt/x' '' '' 'v1'\n", agent.digest()));
        assert!(script("it's", &agent, &place, None).is_err());
        let sandbox = "sbx01".parse().unwrap();
        assert!(script("n", &agent, &place, Some(&sandbox)).unwrap().ends_with(" '' 'sbx01' 'v1'\n"));
    }
}
