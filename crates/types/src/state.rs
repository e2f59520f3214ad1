//! The states of a sandbox, as people see them.

use crate::capabilities::word_enum;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

word_enum!(
    /// Where a sandbox stands between intent and nothing left. Conditions stand beside the state and do not replace it.
    State, "state" {
        /// The intent is durable; nothing was sent to the extension.
        Planned = "planned",
        /// `provision` was, or is about to be, called.
        Provisioning = "provisioning",
        /// It exists; `wait_ready` is being asked.
        Waiting = "waiting",
        /// It is reachable; the agent is being put there.
        Attaching = "attaching",
        /// Usable.
        Ready = "ready",
        /// Stopped, with its state kept.
        Paused = "paused",
        /// Being removed; a teardown is owed until its report is complete.
        TearingDown = "tearing_down",
        /// Something went wrong after something may have been made; the only way out is a teardown.
        Failed = "failed",
        /// Verified: nothing is left.
        Gone = "gone",
        /// Closed by hand: what may still exist is no longer ours to remove.
        Forgotten = "forgotten",
    }
);

impl State {
    /// Whether the record has left `ls`: nothing is owed any more.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Gone | Self::Forgotten)
    }

    /// Whether commands can be run in it.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Ready)
    }
}
