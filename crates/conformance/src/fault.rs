//! What goes wrong, and when.

use std::fmt;
use std::time::Duration;

/// One thing that goes wrong in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) act: Act,
    pub(crate) when: When,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// The extension, with its group, is killed as by kill -9.
    Kill,
    /// Nothing that it says from then on arrives.
    Lose,
    /// The request is sent a second time.
    Repeat,
    /// For so long nothing is read.
    Delay(Duration),
    /// Nothing is read until something else has happened.
    Hold,
    /// The caller withdraws.
    Cancel,
}

/// When it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// When so many lines of the answer, the last of which is the answer itself, were heard; 0 is as soon as the request was
    /// sent.
    Message(usize),
    /// So long after the request was sent.
    After(Duration),
}

impl Fault {
    pub(crate) const fn kill(when: When) -> Self {
        Self { act: Act::Kill, when }
    }

    pub(crate) const fn cancel(when: When) -> Self {
        Self { act: Act::Cancel, when }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.act {
            Act::Kill => formatter.write_str("killed")?,
            Act::Lose => formatter.write_str("lost")?,
            Act::Repeat => formatter.write_str("asked twice")?,
            Act::Delay(span) => write!(formatter, "not heard for {span:?}")?,
            Act::Hold => formatter.write_str("interrupted")?,
            Act::Cancel => formatter.write_str("cancelled")?,
        }
        match self.when {
            When::Message(0) => formatter.write_str(" as soon as it was asked"),
            When::Message(number) => write!(formatter, " at message {number}"),
            When::After(span) => write!(formatter, " after {span:?}"),
        }
    }
}
