//! Errors as data: what happened, whether to try again, what may have been left behind, and whose doing it is.
//!
//! Every fault that crosses the extension contract is a [`Failure`]. Its axes have a worst case for a default, so that
//! forgetting to say something never hides a sandbox.

use crate::capabilities::word_enum;
use crate::{Handle, Object};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

word_enum!(
    /// What kind of thing went wrong.
    ErrorKind, "error kind" {
        /// The request is wrong; `fields` say where.
        InvalidInput = "invalid_input",
        /// It contradicts what already exists.
        Conflict = "conflict",
        /// No credential, or a wrong one.
        Unauthenticated = "unauthenticated",
        /// The credential does not allow it, or our own policy refuses it.
        Forbidden = "forbidden",
        /// Something named does not exist.
        NotFound = "not_found",
        /// Something else must be true first.
        Precondition = "precondition",
        /// The backend's quota or capacity is used up.
        Exhausted = "exhausted",
        /// The backend does not answer.
        Unavailable = "unavailable",
        /// The host does not answer.
        HostUnreachable = "host_unreachable",
        /// Another operation is under way.
        Busy = "busy",
        /// Time ran out.
        Deadline = "deadline",
        /// The caller withdrew.
        Cancelled = "cancelled",
        /// Part of it was done; `handle` says what.
        Partial = "partial",
        /// It will never be ready.
        NotReady = "not_ready",
        /// This backend cannot do that.
        Unsupported = "unsupported",
        /// The extension broke the contract.
        ContractViolation = "contract_violation",
        /// A fault of our own.
        Internal = "internal",
    }
);

word_enum!(
    /// Whether doing it again may help.
    Retry, "retry" {
        /// It will not.
        Never = "never",
        /// Once something was mended.
        AfterFix = "after_fix",
        /// After a while.
        Backoff = "backoff",
    }
);

word_enum!(
    /// What a failed call may have left behind.
    Residue, "residue" {
        /// Nothing, and this was stated.
        None = "none",
        /// The whole thing exists.
        Present = "present",
        /// Part of it exists.
        Partial = "partial",
        /// It is being made or removed right now.
        InProgress = "in_progress",
        /// Not known; something may exist.
        Unknown = "unknown",
    }
);

word_enum!(
    /// Whose doing it is.
    Blame, "blame" {
        /// The caller's.
        User = "user",
        /// The backend's.
        Backend = "backend",
        /// The extension's.
        Extension = "extension",
    }
);

impl Residue {
    /// Whether a teardown is owed.
    pub const fn may_exist(self) -> bool {
        !matches!(self, Self::None)
    }
}

impl ErrorKind {
    /// What this kind usually says about trying again; the worst case when nobody said.
    pub const fn usual_retry(self) -> Retry {
        match self {
            Self::InvalidInput
            | Self::Conflict
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Precondition => Retry::AfterFix,
            Self::Exhausted
            | Self::Unavailable
            | Self::HostUnreachable
            | Self::Busy
            | Self::Deadline
            | Self::Internal => Retry::Backoff,
            Self::Cancelled | Self::Partial | Self::NotReady | Self::Unsupported | Self::ContractViolation => {
                Retry::Never
            }
        }
    }

    /// Whose doing this kind usually is.
    pub const fn usual_blame(self) -> Blame {
        match self {
            Self::InvalidInput
            | Self::Conflict
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Precondition
            | Self::Unsupported
            | Self::Cancelled => Blame::User,
            Self::Exhausted
            | Self::Unavailable
            | Self::HostUnreachable
            | Self::Busy
            | Self::Deadline
            | Self::Partial
            | Self::NotReady => Blame::Backend,
            Self::ContractViolation | Self::Internal => Blame::Extension,
        }
    }
}

/// One member of the request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldFault {
    /// Where: `repo`, or `inputs.repo`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// A fault with everything needed to decide what follows. Build one with [`Failure::new`] and the `with_` methods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// What kind of thing went wrong.
    pub kind: ErrorKind,
    /// What happened, in a sentence without a full stop.
    pub message: String,
    /// Whether to try again.
    pub retry: Retry,
    /// What may have been left behind. `None` only when somebody stated it.
    pub residue: Residue,
    /// Whose doing it is.
    pub blame: Blame,
    /// How long to wait before trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The members of the request that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldFault>,
    /// The next step to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What was made so far, when the kind is `partial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<Handle>,
    /// The causes, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// Anything else the backend said.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub details: Object,
}

impl Failure {
    /// A failure of `kind` that says nothing about what was left behind, which counts as `unknown`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry: kind.usual_retry(),
            residue: Residue::Unknown,
            blame: kind.usual_blame(),
            retry_after_ms: None,
            fields: Vec::new(),
            hint: None,
            handle: None,
            causes: Vec::new(),
            details: Object::new(),
        }
    }

    /// Wrong input, found before anything was made.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message).with_residue(Residue::None)
    }

    /// States what may have been left behind.
    pub fn with_residue(mut self, residue: Residue) -> Self {
        self.residue = residue;
        self
    }

    /// States whether trying again may help.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// States whose doing it is.
    pub fn with_blame(mut self, blame: Blame) -> Self {
        self.blame = blame;
        self
    }

    /// Adds the next step to take.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a member of the request that is wrong.
    pub fn with_field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.fields.push(FieldFault { field: field.into(), message: message.into() });
        self
    }

    /// Adds what was made so far.
    pub fn with_handle(mut self, handle: Handle) -> Self {
        self.handle = Some(handle);
        self
    }

    /// Adds `error` and everything under it as causes.
    pub fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            self.causes.push(error.to_string());
            cause = error.source();
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_about_residue_means_that_something_may_exist() {
        for word in ErrorKind::WORDS {
            let kind: ErrorKind = word.parse().expect("a word of its own list");
            assert!(Failure::new(kind, "x").residue.may_exist(), "{kind}");
        }
        assert!(!Failure::invalid_input("x").residue.may_exist());
    }

    #[test]
    fn a_failure_survives_the_wire() {
        let failure = Failure::new(ErrorKind::Partial, "half made")
            .with_hint("look at it")
            .with_field("repo", "missing")
            .with_residue(Residue::Partial);
        let text = serde_json::to_string(&failure).expect("serializes");
        assert_eq!(serde_json::from_str::<Failure>(&text).expect("parses"), failure);
    }
}
