//! What a profile may let a compose file ask for.

use sandboxer_types::{Failure, Profile};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// Something that is refused unless the profile's `options.allow` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// Containers with all powers over the machine.
    Privileged,
    /// Devices of the machine.
    Devices,
    /// More capabilities than containers usually have.
    Capabilities,
    /// The machine's own processes, network, users or other namespaces.
    HostNamespaces,
    /// Fewer filters than containers usually have.
    SecurityOptions,
    /// The engine's socket, by which one is root there.
    DockerSocket,
    /// Folders of the machine outside the project.
    Mounts,
    /// Mounts below a folder that another mount lets containers change: a link put there leads the mount elsewhere.
    NestedMounts,
    /// Files of the machine outside the project that the compose tool reads: `env_file`, secrets, build contexts.
    Files,
    /// Containers, networks and volumes that are not the project's.
    External,
    /// Whatever this extension does not know.
    OtherKeys,
}

impl Word {
    const ALL: [Self; 11] = [
        Self::Privileged,
        Self::Devices,
        Self::Capabilities,
        Self::HostNamespaces,
        Self::SecurityOptions,
        Self::DockerSocket,
        Self::Mounts,
        Self::NestedMounts,
        Self::Files,
        Self::External,
        Self::OtherKeys,
    ];

    /// As profiles write it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Devices => "devices",
            Self::Capabilities => "capabilities",
            Self::HostNamespaces => "host-namespaces",
            Self::SecurityOptions => "security-options",
            Self::DockerSocket => "docker-socket",
            Self::Mounts => "mounts",
            Self::NestedMounts => "nested-mounts",
            Self::Files => "files",
            Self::External => "external",
            Self::OtherKeys => "other-keys",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What the profile allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Allowance(BTreeSet<Word>);

impl Allowance {
    /// Reads `options.allow`.
    pub(super) fn of(profile: &Profile) -> Result<Self, Failure> {
        let wrong = |message: String| Failure::invalid_input(message.clone()).with_field("options.allow", message);
        let words = match profile.option("allow") {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(words)) => words,
            Some(_) => return Err(wrong("`options.allow` must be a list of words".to_owned())),
        };
        let read = |word: &Value| Word::ALL.into_iter().find(|known| word.as_str() == Some(known.as_str()));
        let read = words.iter().map(|word| {
            read(word).ok_or_else(|| {
                let known: Vec<&str> = Word::ALL.iter().map(|word| word.as_str()).collect();
                wrong(format!("`options.allow` knows no {word}")).with_hint(format!("it knows {}", known.join(", ")))
            })
        });
        Ok(Self(read.collect::<Result<_, _>>()?))
    }

    /// Whether it names that.
    pub(super) fn names(&self, word: Word) -> bool {
        self.0.contains(&word)
    }

    #[cfg(test)]
    pub(super) fn only(words: &[Word]) -> Self {
        Self(words.iter().copied().collect())
    }
}
