//! One rule that every extension must hold, and how it is checked.

use crate::bench::Bench;
use futures::future::BoxFuture;
use sandboxer_types::ConformanceLevel;

/// One rule, and how it is checked.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name: unique, in words with hyphens.
    pub id: &'static str,
    /// The level that needs it.
    pub level: ConformanceLevel,
    /// The rule, as a sentence about extensions.
    pub rule: &'static str,
    /// What is done to see.
    pub does: &'static str,
    /// What is known once it has passed.
    pub proves: &'static str,
    pub(crate) run: for<'a> fn(&'a Bench) -> BoxFuture<'a, Verdict>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Check").field(&self.id).finish()
    }
}

/// How a check ends: well, or with a reason.
pub(crate) type Verdict = Result<(), Stop>;

/// Why a check ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The rule is broken: how, in a sentence.
    Failed(String),
    /// There is nothing to look at: why, in a sentence.
    Skipped(String),
}

impl Stop {
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }
}

/// The check that this file is about: its words, and its function.
macro_rules! check {
    ($level:ident, $id:literal, rule: $rule:literal, does: $does:literal, proves: $proves:literal) => {
        pub(crate) const CHECK: $crate::check::Check = $crate::check::Check {
            id: $id,
            level: sandboxer_types::ConformanceLevel::$level,
            rule: $rule,
            does: $does,
            proves: $proves,
            run: |bench| Box::pin(run(bench)),
        };
    };
}
pub(crate) use check;

/// Ends the check as failed, with these words, unless the condition holds.
macro_rules! hold {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err($crate::check::Stop::Failed(format!($($words)+)));
        }
    };
}
pub(crate) use hold;
