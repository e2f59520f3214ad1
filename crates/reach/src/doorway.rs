//! The way from a machine into a sandbox there.

use sandboxer_types::SandboxMark;

/// Where a sandbox is on its machine, and how it is entered from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doorway {
    /// The sandbox. It has an agent of its own, so that it does not see what its neighbours run.
    pub sandbox: SandboxMark,
    /// Words to put before a command of the machine's so that it enters the sandbox; none where the machine itself is it.
    pub enter: Vec<String>,
    /// Where our agent is inside; put there where it is not known.
    pub agent_path: Option<String>,
}

impl Doorway {
    /// The words of a relay inside; its mark is still to follow. `None` where the agent must be put there first.
    pub(crate) fn relay(&self) -> Option<Vec<String>> {
        let path = self.agent_path.as_ref().filter(|_| !self.enter.is_empty())?;
        let sandbox = self.sandbox.to_string();
        let words = [path.as_str(), "agent", "--sandbox", &sandbox, "--mark"];
        Some(self.enter.iter().cloned().chain(words.map(str::to_owned)).collect())
    }
}
