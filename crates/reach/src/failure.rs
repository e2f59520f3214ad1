//! What a fault on the way into a sandbox or to a machine means to callers of the engine.

use crate::{ReachError, ReachErrorKind as Kind};
use sandboxer_types::{ErrorKind, Failure};

/// The same fault as a [`Failure`], with its hint and its causes. Its residue is `unknown`, whatever went wrong: what this one
/// call did not do says nothing about those before it. Who knows more says so by [`Failure::with_residue`].
pub fn failure(error: &ReachError) -> Failure {
    let kind = match error.kind() {
        Kind::Unreachable | Kind::Refused => ErrorKind::Unavailable,
        Kind::UnknownHost | Kind::HostKeyChanged => ErrorKind::HostUnreachable,
        Kind::Busy => ErrorKind::Busy,
        Kind::ForwardingRefused | Kind::AgentCannotRun | Kind::Unsupported => ErrorKind::Unsupported,
        Kind::NotFound | Kind::UnknownUser | Kind::CommandNotFound | Kind::WorkingDirectory => ErrorKind::NotFound,
        Kind::Unauthenticated | Kind::LoginRefused => ErrorKind::Unauthenticated,
        Kind::PermissionDenied | Kind::NotExecutable => ErrorKind::Forbidden,
        Kind::InvalidInput | Kind::Local => ErrorKind::InvalidInput,
        Kind::AlreadyExists | Kind::Precondition | Kind::InputClosed => ErrorKind::Precondition,
        Kind::Deadline => ErrorKind::Deadline,
        Kind::Exhausted => ErrorKind::Exhausted,
        Kind::Protocol => ErrorKind::ContractViolation,
    };
    let mut failure = Failure::new(kind, error.to_string());
    failure.hint = error.hint().map(str::to_owned);
    match std::error::Error::source(error) {
        Some(source) => failure.caused_by(source),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandboxer_types::Residue;

    #[test]
    fn the_hint_and_the_causes_come_along_and_nothing_is_ruled_out() {
        let error =
            ReachError::new(Kind::LoginRefused, "no login").with_hint("add a key").with_source("Permission denied");
        let failure = failure(&error);
        assert_eq!((failure.kind, failure.residue), (ErrorKind::Unauthenticated, Residue::Unknown));
        assert_eq!(failure.hint.as_deref(), Some("add a key"));
        assert_eq!(failure.causes, ["Permission denied"]);
    }
}
