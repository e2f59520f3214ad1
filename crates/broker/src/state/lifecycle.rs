//! The states of a sandbox with exactly the data each has.

use super::{Attached, Attachment};
use sandboxer_sdk::TeardownReason;
use sandboxer_types::{CleanupReport, Failure, Handle, Object, Reachability, State};
use serde::{Deserialize, Serialize};

/// Where a sandbox stands, with what is known there. Written down before the act it announces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Lifecycle {
    /// The intent is durable; nothing was sent.
    Planned,
    /// `provision` is about to be called, or was.
    Provisioning {
        /// Ids the backend has given so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draft: Option<Object>,
    },
    /// It exists; `wait_ready` is being asked.
    Waiting {
        /// What `provision` returned.
        handle: Handle,
    },
    /// It is reachable; the agent is being put there and set-up is run.
    Attaching {
        /// What `provision` returned.
        handle: Handle,
        /// What `wait_ready` returned.
        reachability: Reachability,
        /// What is done, or was, on the machine it is reached through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attachment: Option<Attachment>,
    },
    /// Usable.
    Ready {
        /// What `provision` returned.
        handle: Handle,
        /// What `wait_ready` returned.
        reachability: Reachability,
        /// What of ours is on the machine it is reached through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attached: Option<Attached>,
    },
    /// Stopped, with its state kept.
    Paused {
        /// What `provision` returned.
        handle: Handle,
        /// What `wait_ready` returned.
        reachability: Reachability,
        /// What of ours is on the machine it is reached through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attached: Option<Attached>,
    },
    /// Something went wrong after something may have been made.
    Failed {
        /// What `provision` returned, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handle: Option<Handle>,
        /// What went wrong.
        failure: Failure,
        /// What is still to be undone on the machine it was reached through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attachment: Option<Attachment>,
    },
    /// Being removed. Owed until a report is complete.
    TearingDown {
        /// What `provision` returned, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handle: Option<Handle>,
        /// Why.
        reason: TeardownReason,
        /// What is still to be undone on the machine it was reached through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attachment: Option<Attachment>,
        /// What went wrong before, if anything did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// What the last attempt did, when it did not complete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<CleanupReport>,
    },
    /// Verified: nothing is left.
    Gone {
        /// What went wrong before, if anything did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// What was removed; absent when nothing was ever made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<CleanupReport>,
    },
    /// Closed by hand; what may be left is no longer ours to remove.
    Forgotten {
        /// What went wrong before, if anything did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// What the last teardown said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<CleanupReport>,
        /// Who closed it, and why.
        note: String,
    },
}

impl Lifecycle {
    /// The state without its data.
    pub const fn state(&self) -> State {
        match self {
            Self::Planned => State::Planned,
            Self::Provisioning { .. } => State::Provisioning,
            Self::Waiting { .. } => State::Waiting,
            Self::Attaching { .. } => State::Attaching,
            Self::Ready { .. } => State::Ready,
            Self::Paused { .. } => State::Paused,
            Self::Failed { .. } => State::Failed,
            Self::TearingDown { .. } => State::TearingDown,
            Self::Gone { .. } => State::Gone,
            Self::Forgotten { .. } => State::Forgotten,
        }
    }

    /// What `provision` returned, where that is still of use.
    pub const fn handle(&self) -> Option<&Handle> {
        match self {
            Self::Waiting { handle }
            | Self::Attaching { handle, .. }
            | Self::Ready { handle, .. }
            | Self::Paused { handle, .. } => Some(handle),
            Self::Failed { handle, .. } | Self::TearingDown { handle, .. } => handle.as_ref(),
            Self::Planned | Self::Provisioning { .. } | Self::Gone { .. } | Self::Forgotten { .. } => None,
        }
    }

    /// What of ours is on the machine it is reached through, where that turned out.
    pub const fn attached(&self) -> Option<&Attached> {
        match self {
            Self::Ready { attached, .. } | Self::Paused { attached, .. } => attached.as_ref(),
            Self::Planned
            | Self::Provisioning { .. }
            | Self::Waiting { .. }
            | Self::Attaching { .. }
            | Self::Failed { .. }
            | Self::TearingDown { .. }
            | Self::Gone { .. }
            | Self::Forgotten { .. } => None,
        }
    }

    /// How it is reached, where it can be.
    pub const fn reachability(&self) -> Option<&Reachability> {
        match self {
            Self::Attaching { reachability, .. }
            | Self::Ready { reachability, .. }
            | Self::Paused { reachability, .. } => Some(reachability),
            Self::Planned
            | Self::Provisioning { .. }
            | Self::Waiting { .. }
            | Self::Failed { .. }
            | Self::TearingDown { .. }
            | Self::Gone { .. }
            | Self::Forgotten { .. } => None,
        }
    }

    /// What went wrong, where something did.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. } => Some(failure),
            Self::TearingDown { failure, .. } | Self::Gone { failure, .. } | Self::Forgotten { failure, .. } => {
                failure.as_ref()
            }
            Self::Planned
            | Self::Provisioning { .. }
            | Self::Waiting { .. }
            | Self::Attaching { .. }
            | Self::Ready { .. }
            | Self::Paused { .. } => None,
        }
    }

    /// What the last teardown did, where there was one.
    pub const fn report(&self) -> Option<&CleanupReport> {
        match self {
            Self::TearingDown { report, .. } | Self::Gone { report, .. } | Self::Forgotten { report, .. } => {
                report.as_ref()
            }
            Self::Planned
            | Self::Provisioning { .. }
            | Self::Waiting { .. }
            | Self::Attaching { .. }
            | Self::Ready { .. }
            | Self::Paused { .. }
            | Self::Failed { .. } => None,
        }
    }
}
