//! From what the agent answers to [`ReachError`].

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sandboxer_envd::Message;
use sandboxer_envd::agent::{StartFailure, StartFailureKind};
use sandboxer_envd::connectrpc::{ConnectError, ErrorCode};

use crate::{ReachError, ReachErrorKind as Kind};

const DENIED: &str = "the sandbox's agent does not accept the access token";

/// A fault of any call.
pub(super) fn from_connect(error: ConnectError) -> ReachError {
    if is_broken_off(&error) {
        return ReachError::new(Kind::Unreachable, "the connection to the sandbox's agent broke").with_source(error);
    }
    if is_denied(&error) {
        return ReachError::new(Kind::Unauthenticated, DENIED).with_source(error);
    }
    let kind = start_failure(&error).unwrap_or_else(|| kind_of(error.code));
    let message = error.message.clone().unwrap_or_else(|| error.code.as_str().to_owned());
    ReachError::new(kind, message).with_source(error)
}

/// The client calls it an internal error, and has no other sign for it, when the connection breaks while a stream of
/// answers is read.
fn is_broken_off(error: &ConnectError) -> bool {
    let said = error.message.as_deref().unwrap_or_default();
    error.code == ErrorCode::Internal && said.starts_with("failed to read response body")
}

/// Who shows no token, or a wrong one, is turned away before the call is looked at, and so not in its own words.
fn is_denied(error: &ConnectError) -> bool {
    let said = error.message.as_deref().unwrap_or_default();
    error.code == ErrorCode::Unauthenticated && said.starts_with("HTTP error 401")
}

fn kind_of(code: ErrorCode) -> Kind {
    match code {
        ErrorCode::NotFound => Kind::NotFound,
        ErrorCode::AlreadyExists => Kind::AlreadyExists,
        ErrorCode::PermissionDenied => Kind::PermissionDenied,
        ErrorCode::Unauthenticated => Kind::UnknownUser,
        ErrorCode::InvalidArgument | ErrorCode::OutOfRange => Kind::InvalidInput,
        ErrorCode::FailedPrecondition => Kind::Precondition,
        ErrorCode::Unimplemented => Kind::Unsupported,
        ErrorCode::DeadlineExceeded => Kind::Deadline,
        ErrorCode::ResourceExhausted => Kind::Exhausted,
        ErrorCode::Unavailable | ErrorCode::Canceled | ErrorCode::Aborted => Kind::Unreachable,
        _ => Kind::Protocol,
    }
}

/// The agent's own word on why a command did not start, beside the code that envd's clients see.
fn start_failure(error: &ConnectError) -> Option<Kind> {
    let detail = error.details.iter().find(|detail| detail.type_url.ends_with("sandboxer.agent.v1.StartFailure"))?;
    let value = detail.value.as_deref()?;
    let bytes = STANDARD_NO_PAD.decode(value).or_else(|_| STANDARD.decode(value)).ok()?;
    let failure = StartFailure::decode_from_slice(&bytes).ok()?;
    match failure.kind.as_known()? {
        StartFailureKind::START_FAILURE_KIND_COMMAND_NOT_FOUND => Some(Kind::CommandNotFound),
        StartFailureKind::START_FAILURE_KIND_NOT_EXECUTABLE => Some(Kind::NotExecutable),
        StartFailureKind::START_FAILURE_KIND_WORKING_DIRECTORY => Some(Kind::WorkingDirectory),
        StartFailureKind::START_FAILURE_KIND_SETUP | StartFailureKind::START_FAILURE_KIND_UNSPECIFIED => None,
    }
}

/// A connection that broke in the middle of a file.
pub(super) fn from_hyper(error: hyper::Error) -> ReachError {
    ReachError::new(Kind::Unreachable, "the connection to the sandbox's agent broke").with_source(error)
}

/// An answer of `/files`, `/health` or CONNECT other than success. 401 means an unknown user or the token; the former
/// only where a user was named.
pub(super) fn from_status(status: http::StatusCode, body: &[u8], names_user: bool) -> ReachError {
    #[derive(serde::Deserialize)]
    struct Answer {
        message: String,
    }
    let message = serde_json::from_slice(body)
        .map_or_else(|_| format!("the sandbox's agent answered {status}"), |answer: Answer| answer.message);
    let kind = match status.as_u16() {
        400 | 416 => Kind::InvalidInput,
        401 if names_user => Kind::UnknownUser,
        401 => return ReachError::new(Kind::Unauthenticated, DENIED),
        403 => Kind::PermissionDenied,
        404 => Kind::NotFound,
        409 => Kind::Precondition,
        502 => Kind::Refused,
        507 => Kind::Exhausted,
        _ => Kind::Protocol,
    };
    ReachError::new(kind, message)
}
