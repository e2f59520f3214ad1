//! Faults of the operating system, turned into the contract's failures.

use sandboxer_types::{ErrorKind, Failure, Residue};
use std::io;

/// Where to look when the machine refuses something a sandbox needs.
pub(crate) const DOCTOR: &str = "run `sandboxer doctor`: it tells what this machine lacks and how to change that";

/// Something could not be done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub(crate) struct Fault {
    /// What, as an infinitive: `make the folder`.
    doing: String,
    /// Why.
    source: io::Error,
}

/// A result whose fault says what was being done.
pub(crate) trait Doing<T> {
    /// Says what was being done, as an infinitive.
    fn doing(self, what: impl Into<String>) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T, Fault> {
        self.map_err(|source| Fault { doing: what.into(), source: source.into() })
    }
}

impl Fault {
    /// The failure to answer with.
    pub(crate) fn failure(&self, residue: Residue) -> Failure {
        let kind = kind_of(&self.source);
        let failure = Failure::new(kind, format!("{self}: {}", self.source)).with_residue(residue);
        if kind == ErrorKind::Precondition { failure.with_hint(DOCTOR) } else { failure }
    }
}

fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::Unsupported => {
            ErrorKind::Precondition
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::OutOfMemory => ErrorKind::Exhausted,
        _ => match error.raw_os_error() {
            Some(libc::ENOSYS) => ErrorKind::Precondition,
            Some(libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOMEM | libc::EUSERS) => ErrorKind::Exhausted,
            _ => ErrorKind::Internal,
        },
    }
}
