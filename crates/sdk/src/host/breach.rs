//! Rules of the protocol, and what breaking one means.

use sandboxer_types::{Blame, ErrorKind, ExtensionId, Failure, Residue, Retry};
use std::fmt;

/// A rule of the protocol; `docs/extension-protocol.md` says of each what breaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "docs/extension-protocol.md describes each")]
pub enum Rule {
    Start,
    Alive,
    Answer,
    OwnAnswer,
    Message,
    Line,
    Stdout,
    Identity,
    Size,
    Secret,
    Flood,
    Memory,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 12] = [
        Self::Start,
        Self::Alive,
        Self::Answer,
        Self::OwnAnswer,
        Self::Message,
        Self::Line,
        Self::Stdout,
        Self::Identity,
        Self::Size,
        Self::Secret,
        Self::Flood,
        Self::Memory,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Alive => "alive",
            Self::Answer => "answer",
            Self::OwnAnswer => "own-answer",
            Self::Message => "message",
            Self::Line => "line",
            Self::Stdout => "stdout",
            Self::Identity => "identity",
            Self::Size => "size",
            Self::Secret => "secret",
            Self::Flood => "flood",
            Self::Memory => "memory",
        }
    }

    const fn kind(self) -> ErrorKind {
        match self {
            Self::Start => ErrorKind::Precondition,
            Self::Alive | Self::Memory => ErrorKind::Internal,
            Self::Answer => ErrorKind::Deadline,
            Self::OwnAnswer
            | Self::Message
            | Self::Line
            | Self::Stdout
            | Self::Identity
            | Self::Size
            | Self::Secret
            | Self::Flood => ErrorKind::ContractViolation,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How a rule was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) rule: Rule,
    /// What happened, in words that follow a colon.
    pub(super) what: String,
    /// What was said on the standard error, when that may tell why.
    pub(super) said: Vec<String>,
    /// What to do about it, where that is known.
    pub(super) hint: Option<String>,
}

impl Breach {
    pub(super) fn new(rule: Rule, what: impl Into<String>) -> Self {
        Self { rule, what: what.into(), said: Vec::new(), hint: None }
    }

    pub(super) fn with_said(mut self, said: Vec<String>) -> Self {
        self.said = said;
        self
    }

    /// The failure of a call that it ended. What the call did is not known, unless nothing was ever sent.
    pub(super) fn failure(self, extension: &ExtensionId) -> Failure {
        let residue = if self.rule == Rule::Start { Residue::None } else { Residue::Unknown };
        let message = format!("`{extension}` broke the rule `{}`: {}", self.rule, self.what);
        let mut failure = Failure::new(self.rule.kind(), message)
            .with_retry(Retry::Never)
            .with_blame(Blame::Extension)
            .with_residue(residue);
        failure.hint = self.hint;
        failure.details.insert("rule".to_owned(), self.rule.as_str().into());
        failure.causes = self.said.into_iter().map(|line| format!("its standard error: {line}")).collect();
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_page_tells_every_rule() {
        let page = include_str!("../../../../docs/extension-protocol.md");
        for rule in Rule::ALL {
            assert!(page.contains(&format!("\n| `{rule}` |")), "{rule}");
        }
    }
}
