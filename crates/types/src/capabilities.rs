//! What an extension says it can do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How strongly a sandbox is kept apart from its host, weakest first, or a level of the author's own (`x-…`), which
/// compares with no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum IsolationLevel {
    /// None at all: the command could do whatever its user can.
    None,
    /// An ordinary process of a user of its own.
    Process,
    /// Namespaces, cgroups and system call filters on the host's kernel.
    Container,
    /// A container whose system calls are served by another kernel in user space.
    SandboxedContainer,
    /// A small virtual machine with a minimal device model.
    MicroVm,
    /// A full virtual machine.
    Vm,
    /// An author's own, beginning with `x-`.
    Custom(String),
}

impl IsolationLevel {
    /// The levels that have a rank, weakest first, by the name manifests use.
    pub const RANKED: [&'static str; 6] = ["none", "process", "container", "sandboxed-container", "microvm", "vm"];

    /// The level's name in manifests.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Process => "process",
            Self::Container => "container",
            Self::SandboxedContainer => "sandboxed-container",
            Self::MicroVm => "microvm",
            Self::Vm => "vm",
            Self::Custom(name) => name,
        }
    }

    /// What the level means, in a sentence; nothing for an author's own.
    pub fn meaning(&self) -> Option<&'static str> {
        Some(match self {
            Self::None => "None at all: the command could do whatever its user can.",
            Self::Process => "An ordinary process of a user of its own.",
            Self::Container => "Namespaces, cgroups and system call filters on the host's kernel.",
            Self::SandboxedContainer => "A container whose system calls are served by another kernel in user space.",
            Self::MicroVm => "A small virtual machine with a minimal device model.",
            Self::Vm => "A full virtual machine.",
            Self::Custom(_) => return None,
        })
    }

    /// Whether a sandbox of this level may stand in where `minimum` was asked for.
    pub fn satisfies(&self, minimum: &Self) -> bool {
        match (self.rank(), minimum.rank()) {
            (Some(mine), Some(asked)) => mine >= asked,
            (None, _) | (_, None) => self == minimum,
        }
    }

    fn rank(&self) -> Option<usize> {
        Self::RANKED.iter().position(|name| *name == self.as_str())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for IsolationLevel {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IsolationLevel".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "How strongly a sandbox is kept apart from its host, weakest first, or a level of the author's own.",
            "type": "string",
            "anyOf": [{"enum": Self::RANKED}, {"pattern": "^x-", "minLength": 3}],
        })
    }
}

impl FromStr for IsolationLevel {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Ok(match text {
            "none" => Self::None,
            "process" => Self::Process,
            "container" => Self::Container,
            "sandboxed-container" => Self::SandboxedContainer,
            "microvm" => Self::MicroVm,
            "vm" => Self::Vm,
            custom if custom.len() > 2 && custom.starts_with("x-") => Self::Custom(custom.to_owned()),
            _ => return Err(UnknownWord { what: "isolation level", allowed: &Self::RANKED }),
        })
    }
}

impl TryFrom<String> for IsolationLevel {
    type Error = UnknownWord;
    fn try_from(text: String) -> Result<Self, UnknownWord> {
        text.parse()
    }
}

impl From<IsolationLevel> for String {
    fn from(level: IsolationLevel) -> String {
        level.as_str().to_owned()
    }
}

impl fmt::Display for IsolationLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text is none of the words allowed in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what}, expected one of: {}", allowed.join(", "))]
pub struct UnknownWord {
    /// What the word should have been.
    pub what: &'static str,
    /// The words allowed.
    pub allowed: &'static [&'static str],
}

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[doc = $meaning:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transform = crate::schema::words))]
        pub enum $name {
            $($(#[doc = $meaning])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word, in the order of the definition.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word used in files and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What the word means, in a sentence or two.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($meaning),+).trim_ascii_start(),)+ }
            }
        }

        impl FromStr for $name {
            type Err = $crate::capabilities::UnknownWord;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::capabilities::UnknownWord { what: $what, allowed: Self::WORDS }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use word_enum;

word_enum!(
    /// How a backend is paid for.
    PricingModel, "pricing model" {
        /// On machines the team already owns.
        SelfHosted = "self-hosted",
        /// Costs nothing.
        Free = "free",
        /// By use.
        Metered = "metered",
        /// By the month.
        Subscription = "subscription",
    }
);

word_enum!(
    /// A verb an extension may offer beside the three that every extension has.
    Verb, "verb" {
        /// Checks inputs without a side effect.
        Validate = "validate",
        /// Looks up what a lost `provision` made.
        Recover = "recover",
        /// Lists what exists with our labels.
        List = "list",
        /// Says how a sandbox is now.
        Status = "status",
        /// Says what a duration would cost.
        EstimateCost = "estimate_cost",
        /// Lists the rows of the price catalog.
        Prices = "prices",
        /// Moves the backend's own time-out.
        Extend = "extend",
        /// Stops a sandbox and keeps its state.
        Pause = "pause",
        /// Undoes `pause`.
        Resume = "resume",
        /// Keeps a copy that outlives its source.
        Snapshot = "snapshot",
        /// Makes a sandbox from a snapshot.
        Restore = "restore",
        /// Makes a sandbox from a live one.
        Fork = "fork",
        /// Lists the snapshots with our labels.
        ListSnapshots = "list_snapshots",
        /// Removes a snapshot.
        DeleteSnapshot = "delete_snapshot",
        /// Says how to open a byte stream into a sandbox.
        Connect = "connect",
    }
);

word_enum!(
    /// A promise about an extension's behaviour.
    Feature, "feature" {
        /// What it makes carries our labels, or a name derived from the id.
        Labels = "labels",
        /// The backend ends a sandbox without us.
        NativeTtl = "native_ttl",
        /// It does not own the machine.
        Attach = "attach",
        /// Ids given by the backend are sent as drafts.
        Checkpoint = "checkpoint",
        /// Repeating a call converges on one object.
        Idempotent = "idempotent",
    }
);

word_enum!(
    /// What a snapshot keeps.
    SnapshotKind, "snapshot kind" {
        /// Files only; processes start anew.
        Filesystem = "filesystem",
        /// Files and the memory of running processes.
        Memory = "memory",
    }
);

/// What the extension's snapshots really keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SnapshotCapability {
    /// The kinds it can make.
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1, "uniqueItems" = true)))]
    pub kinds: Vec<SnapshotKind>,
}

/// The `capabilities` of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// The isolation its sandboxes have, at least one.
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1, "uniqueItems" = true)))]
    pub isolation_levels: Vec<IsolationLevel>,
    /// How it is paid for.
    pub pricing_model: PricingModel,
    /// Verbs beside `provision`, `wait_ready` and `teardown`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<Verb>,
    /// Promises about its behaviour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Feature>,
    /// What its snapshots keep, when it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotCapability>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_they_mean() {
        assert_eq!(Verb::Fork.meaning(), "Makes a sandbox from a live one.");
        assert_eq!(crate::Lifecycle::default().meaning(), "One process serves many requests.");
    }

    #[test]
    fn a_stronger_level_satisfies_a_weaker_one_and_a_custom_one_only_itself() {
        let level = |text: &str| text.parse::<IsolationLevel>().expect(text);
        assert!(level("vm").satisfies(&level("container")));
        assert!(level("container").satisfies(&level("container")));
        assert!(!level("process").satisfies(&level("container")));
        assert!(!level("x-enclave").satisfies(&level("container")));
        assert!(!level("vm").satisfies(&level("x-enclave")));
        assert!(level("x-enclave").satisfies(&level("x-enclave")));
        assert!("containr".parse::<IsolationLevel>().is_err());
    }
}
