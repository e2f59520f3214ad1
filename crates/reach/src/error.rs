//! What can go wrong on the way into a sandbox.

use std::error::Error;

/// A call into a sandbox that failed: its kind for programs, its message for people, its cause as `source`.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ReachError {
    kind: ReachErrorKind,
    message: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Why a call into a sandbox failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReachErrorKind {
    /// Nobody answers, or the connection broke; what was under way may have happened.
    Unreachable,
    /// Nobody listens on the port or socket, inside or at the machine itself.
    Refused,
    /// There is no such file, folder or process.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// The user may not do that.
    PermissionDenied,
    /// There is no such user in the sandbox.
    UnknownUser,
    /// The access token is missing or wrong.
    Unauthenticated,
    /// The program to run does not exist: 127 in a shell.
    CommandNotFound,
    /// The program exists but cannot be executed: 126 in a shell.
    NotExecutable,
    /// The working directory cannot be entered.
    WorkingDirectory,
    /// The request makes no sense as it stands.
    InvalidInput,
    /// The state of the file or process does not allow it.
    Precondition,
    /// This way in cannot do that.
    Unsupported,
    /// The time allowed ran out.
    Deadline,
    /// Out of processes, memory, descriptors or disk.
    Exhausted,
    /// The command takes no more input: it ended or closed it.
    InputClosed,
    /// A file on this side could not be read or written.
    Local,
    /// The other side answered what it should not.
    Protocol,
    /// No machine has that name.
    UnknownHost,
    /// The machine shows another key than the one that is known of it.
    HostKeyChanged,
    /// The machine does not let us log in.
    LoginRefused,
    /// The machine takes no further connection or session at the moment.
    Busy,
    /// The machine does not pass connections on to its sockets.
    ForwardingRefused,
    /// The agent cannot be put or run there: another kind of machine, no room for a program, or a program that is missing.
    AgentCannotRun,
}

impl ReachError {
    /// An error without a cause.
    pub fn new(kind: ReachErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Why it failed.
    pub fn kind(&self) -> ReachErrorKind {
        self.kind
    }

    /// What a shell would exit with, where the command itself could not start.
    pub fn shell_code(&self) -> Option<i32> {
        match self.kind {
            ReachErrorKind::CommandNotFound => Some(127),
            ReachErrorKind::NotExecutable => Some(126),
            _ => None,
        }
    }

    /// The fault of a connector, which may have one of ours inside already.
    pub(crate) fn connecting(place: &dyn std::fmt::Display, fault: std::io::Error) -> Self {
        fault.downcast::<Self>().unwrap_or_else(|fault| {
            let message = format!("cannot connect to the sandbox's agent at `{place}`");
            Self::new(ReachErrorKind::Unreachable, message).with_source(fault)
        })
    }

    pub(crate) fn local(what: impl std::fmt::Display, source: std::io::Error) -> Self {
        Self::new(ReachErrorKind::Local, what.to_string()).with_source(source)
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ReachErrorKind::Protocol, message)
    }
}
