//! Errors on their way to a person, and the table of exit statuses.

use sandboxer_types::{ErrorKind, Failure, Residue};
use std::fmt;

/// What ends a command early.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// Something failed, and says how.
    Failure(Box<Failure>),
    /// A cleanup left something that may still exist.
    Incomplete(Box<Failure>),
}

/// A result with such an error.
pub(crate) type CommandResult<T> = Result<T, CommandError>;

impl CommandError {
    /// The failure within.
    pub(crate) fn failure(&self) -> &Failure {
        match self {
            Self::Failure(failure) | Self::Incomplete(failure) => failure,
        }
    }

    /// The exit status it means.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Failure(failure) => status_of(failure.kind),
            Self::Incomplete(_) => 8,
        }
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        Self::Failure(Box::new(failure))
    }
}

impl From<sandboxer_reach::ReachError> for CommandError {
    fn from(error: sandboxer_reach::ReachError) -> Self {
        sandboxer_broker::reach_failure(&error).into()
    }
}

/// A fault of this machine, such as a file that cannot be read.
pub(crate) fn local_fault(doing: impl fmt::Display, error: &std::io::Error) -> Failure {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::Forbidden,
        _ => ErrorKind::Internal,
    };
    Failure::new(kind, format!("cannot {doing}")).with_residue(Residue::None).caused_by(error)
}

/// The table of exit statuses.
pub(crate) fn status_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::NotFound => 3,
        ErrorKind::InvalidInput | ErrorKind::Precondition | ErrorKind::Unsupported => 4,
        ErrorKind::Unavailable
        | ErrorKind::HostUnreachable
        | ErrorKind::Busy
        | ErrorKind::Exhausted
        | ErrorKind::Deadline
        | ErrorKind::NotReady => 5,
        ErrorKind::Unauthenticated | ErrorKind::Forbidden => 6,
        ErrorKind::Conflict => 7,
        ErrorKind::Internal | ErrorKind::ContractViolation | ErrorKind::Partial | ErrorKind::Cancelled => 1,
    }
}
