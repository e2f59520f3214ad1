//! The methods by name.

use sandboxer_types::Verb;
use std::fmt;
use std::str::FromStr;

macro_rules! methods {
    ($($variant:ident = $word:literal $(if $verb:ident)?,)+) => {
        /// What a request asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "docs/extension-protocol.md describes each")]
        pub enum Method { $($variant,)+ }

        impl Method {
            /// Every method.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The verb that an extension must declare to be asked; `None` for what each has.
            pub const fn verb(self) -> Option<Verb> {
                match self { $(Self::$variant => methods!(@verb $($verb)?),)+ }
            }
        }

        impl FromStr for Method {
            type Err = UnknownMethod;
            fn from_str(text: &str) -> Result<Self, UnknownMethod> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err(UnknownMethod) }
            }
        }
    };
    (@verb) => { None };
    (@verb $verb:ident) => { Some(Verb::$verb) };
}

/// No method has that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the protocol has no such method")]
pub struct UnknownMethod;

methods! {
    Describe = "describe",
    Validate = "validate" if Validate,
    Provision = "provision",
    WaitReady = "wait_ready",
    Teardown = "teardown",
    Recover = "recover" if Recover,
    List = "list" if List,
    Status = "status" if Status,
    EstimateCost = "estimate_cost" if EstimateCost,
    Prices = "prices" if Prices,
    Extend = "extend" if Extend,
    Pause = "pause" if Pause,
    Resume = "resume" if Resume,
    Snapshot = "snapshot" if Snapshot,
    Restore = "restore" if Restore,
    Fork = "fork" if Fork,
    ListSnapshots = "list_snapshots" if ListSnapshots,
    DeleteSnapshot = "delete_snapshot" if DeleteSnapshot,
    Connect = "connect" if Connect,
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optional_verb_is_a_method_of_the_same_name() {
        for word in Verb::WORDS {
            let method: Method = word.parse().expect("a method");
            assert_eq!(method.verb().map(Verb::as_str), Some(*word));
        }
        assert_eq!(Method::ALL.iter().filter(|method| method.verb().is_none()).count(), 4);
    }
}
