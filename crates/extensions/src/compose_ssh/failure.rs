//! The failures of this extension.

use sandboxer_sdk::CommandOutput;
use sandboxer_types::{ErrorKind, Failure, Residue};

/// So many bytes of what a program said are told.
const TOLD: usize = 2000;

/// Something else must be true first.
pub(super) fn precondition(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Precondition, message)
}

/// A machine that answered with what our own scripts never print.
pub(super) fn garbled(what: &str) -> Failure {
    Failure::new(ErrorKind::Unavailable, format!("the machine's answer about {what} makes no sense"))
        .with_hint("look whether the login's shell prints things of its own: `sandboxer host check` does")
}

/// The end of what a program said, on one or more lines, without control characters.
pub(super) fn said(output: &CommandOutput) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let text = if stderr.trim().is_empty() { String::from_utf8_lossy(&output.stdout) } else { stderr };
    tail(text.trim())
}

/// The last lines of a text, without control characters.
pub(super) fn tail(text: &str) -> String {
    let mut start = text.len().saturating_sub(TOLD);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// What a script of ours means by its status; `None` for 0.
pub(super) fn of_status(output: &CommandOutput, doing: &str) -> Option<Failure> {
    let failure = match output.status {
        0 => return None,
        20 => {
            Failure::new(ErrorKind::Forbidden, "a sandbox of that id stands there, and another state directory made it")
                .with_hint("remove it with the state directory that made it, or choose another id")
        }
        21 => Failure::new(ErrorKind::Unavailable, format!("the container engine did not answer: {}", said(output)))
            .with_hint(ENGINE_HINT),
        // A signal, ours when the command took too long.
        137 | 143 => late(doing),
        _ => explain(output, doing),
    };
    Some(failure)
}

/// What to look at when the engine does not answer.
pub(super) const ENGINE_HINT: &str = "look there whether `docker version` (or `podman version`) answers";

/// A command that took longer than it was given.
pub(super) fn late(doing: &str) -> Failure {
    Failure::new(ErrorKind::Deadline, format!("it took too long to {doing}")).with_hint(ENGINE_HINT)
}

/// What a compose tool or an engine complained about, as a kind of failure.
pub(super) fn explain(output: &CommandOutput, doing: &str) -> Failure {
    let said = said(output);
    let lower = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let (kind, hint) =
        if says(&["cannot connect to the docker daemon", "is the docker daemon running", "connection refused"]) {
            (ErrorKind::Unavailable, Some(ENGINE_HINT))
        } else if says(&["permission denied while trying to connect", "dial unix"]) {
            (ErrorKind::Forbidden, Some("let that user use the engine: add it to the group `docker`"))
        } else if says(&["no space left", "disk quota"]) {
            (ErrorKind::Exhausted, Some("make room on that machine's disk"))
        } else if says(&["pull access denied", "manifest unknown", "no such image", "repository does not exist"]) {
            (ErrorKind::NotFound, Some("the machine must be able to pull or build every image"))
        } else {
            (ErrorKind::Precondition, None)
        };
    let failure = Failure::new(kind, format!("could not {doing}: {said}"));
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// The worst of what a failure in the middle may have left: whatever it says, but never nothing.
pub(super) fn with_something_left(failure: Failure) -> Failure {
    let residue = if failure.residue.may_exist() { failure.residue } else { Residue::Partial };
    failure.with_residue(residue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(status: i32, stderr: &str) -> CommandOutput {
        CommandOutput { status, stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() }
    }

    #[test]
    fn what_engines_complain_about_has_a_kind() {
        for (stderr, kind) in [
            ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", ErrorKind::Unavailable),
            ("write /x: no space left on device", ErrorKind::Exhausted),
            ("pull access denied for x, repository does not exist", ErrorKind::NotFound),
            ("services.web must be a mapping", ErrorKind::Precondition),
        ] {
            assert_eq!(of_status(&output(1, stderr), "x").map(|failure| failure.kind), Some(kind), "{stderr}");
        }
        assert_eq!(of_status(&output(137, ""), "x").map(|failure| failure.kind), Some(ErrorKind::Deadline));
        assert_eq!(of_status(&output(0, "warning"), "x"), None);
    }

    #[test]
    fn what_is_told_has_no_escapes_and_an_end() {
        assert_eq!(tail("a\u{1b}[31mb"), "a [31mb");
        assert!(tail(&"ä".repeat(4000)).len() <= TOLD);
    }
}
