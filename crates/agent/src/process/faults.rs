//! Faults of commands in Connect's words.

use std::io;

use sandboxer_envd::agent::{StartFailure, StartFailureKind as Kind};
use sandboxer_envd::connectrpc::{ConnectError, ErrorCode, ErrorDetail};

use super::child::Step;
use super::followers::Missed;
use super::input::InputFault;
use super::spawn::StartFault;

impl From<StartFault> for ConnectError {
    fn from(fault: StartFault) -> Self {
        let (kind, errno) = match &fault {
            StartFault::Plan(_) => return Self::invalid_argument(fault.to_string()),
            StartFault::Child { failure, .. } => (kind(failure.step, failure.errno), failure.errno),
            StartFault::System { error, .. } => (Kind::START_FAILURE_KIND_SETUP, error.raw_os_error().unwrap_or(0)),
        };
        let detail = StartFailure { kind: kind.into(), errno };
        Self::new(code(kind, errno), fault.to_string())
            .with_detail(ErrorDetail::from_message("sandboxer.agent.v1.StartFailure", &detail))
    }
}

fn kind(step: Step, errno: i32) -> Kind {
    match (step, errno) {
        (Step::Prepare, _) => Kind::START_FAILURE_KIND_SETUP,
        (Step::Directory, _) => Kind::START_FAILURE_KIND_WORKING_DIRECTORY,
        (Step::Execute, libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => {
            Kind::START_FAILURE_KIND_COMMAND_NOT_FOUND
        }
        (Step::Execute, libc::EAGAIN | libc::ENOMEM) => Kind::START_FAILURE_KIND_SETUP,
        (Step::Execute, _) => Kind::START_FAILURE_KIND_NOT_EXECUTABLE,
    }
}

/// As envd: what may pass is `resource_exhausted`, which SDKs retry; what the request did wrong is `invalid_argument`.
fn code(kind: Kind, errno: i32) -> ErrorCode {
    match (kind, errno) {
        (_, libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOSPC) => ErrorCode::ResourceExhausted,
        (Kind::START_FAILURE_KIND_SETUP, _) => ErrorCode::Internal,
        _ => ErrorCode::InvalidArgument,
    }
}

impl From<InputFault> for ConnectError {
    fn from(fault: InputFault) -> Self {
        Self::failed_precondition(fault.to_string())
    }
}

impl From<Missed> for ConnectError {
    fn from(missed: Missed) -> Self {
        Self::unavailable(missed.to_string())
    }
}

/// A signal that could not be sent.
pub(super) fn signal_fault(error: &io::Error, what: &impl std::fmt::Display) -> ConnectError {
    match error.raw_os_error() {
        Some(libc::ESRCH) => ConnectError::not_found(what.to_string()),
        Some(libc::EINVAL) => ConnectError::invalid_argument("there is no such signal"),
        Some(libc::EPERM) => ConnectError::permission_denied("the agent may not signal that process"),
        _ => ConnectError::internal(format!("cannot send the signal: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_127_and_126_are_told_apart() {
        assert_eq!(kind(Step::Execute, libc::ENOENT), Kind::START_FAILURE_KIND_COMMAND_NOT_FOUND);
        assert_eq!(kind(Step::Execute, libc::EACCES), Kind::START_FAILURE_KIND_NOT_EXECUTABLE);
        assert_eq!(kind(Step::Execute, libc::ENOEXEC), Kind::START_FAILURE_KIND_NOT_EXECUTABLE);
        assert_eq!(kind(Step::Directory, libc::ENOENT), Kind::START_FAILURE_KIND_WORKING_DIRECTORY);
        assert_eq!(code(Kind::START_FAILURE_KIND_SETUP, libc::EAGAIN), ErrorCode::ResourceExhausted);
        assert_eq!(code(Kind::START_FAILURE_KIND_NOT_EXECUTABLE, libc::EACCES), ErrorCode::InvalidArgument);
    }
}
