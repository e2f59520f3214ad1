//! The failures of this extension.

use sandboxer_sdk::CommandOutput;
use sandboxer_types::{ErrorKind, Failure, Residue};

/// So many bytes of what a program said are told.
const TOLD: usize = 2000;

/// An input that is wrong, found before anything was done.
pub(super) fn wrong(field: &str, message: &str) -> Failure {
    Failure::invalid_input(format!("`{field}` {message}")).with_field(field, message)
}

/// What this extension cannot do for a profile.
pub(super) fn unsupported(field: &str, message: &str, hint: &str) -> Failure {
    Failure::new(ErrorKind::Unsupported, message)
        .with_residue(Residue::None)
        .with_field(field, "is not possible here")
        .with_hint(hint)
}

/// Something else must be true first.
pub(super) fn precondition(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Precondition, message)
}

/// A machine that answered with what our own scripts never print.
pub(super) fn garbled(what: &str) -> Failure {
    Failure::new(ErrorKind::Unavailable, format!("the machine's answer about {what} makes no sense"))
        .with_hint("look whether the login's shell prints things of its own: `sandboxer host check` does")
}

/// What a script complained about.
pub(super) fn explain(output: &CommandOutput, doing: &str) -> Failure {
    let said = said(output);
    let lower = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let kind = if says(&["no space left", "disk quota"]) {
        ErrorKind::Exhausted
    } else if says(&["permission denied", "not permitted", "read-only file system"]) {
        ErrorKind::Forbidden
    } else {
        ErrorKind::Precondition
    };
    Failure::new(kind, format!("could not {doing}: {said}"))
}

/// The end of what a program said, without control characters.
pub(super) fn said(output: &CommandOutput) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let text = if stderr.trim().is_empty() { String::from_utf8_lossy(&output.stdout) } else { stderr };
    let text = text.trim();
    let mut start = text.len().saturating_sub(TOLD);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let said: String = text[start..].chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    if said.is_empty() { format!("it ended with status {}", output.status) } else { said }
}

/// A failure in the middle may have left something, whatever it says.
pub(super) fn with_something_left(failure: Failure) -> Failure {
    let residue = if failure.residue.may_exist() { failure.residue } else { Residue::Partial };
    failure.with_residue(residue)
}
