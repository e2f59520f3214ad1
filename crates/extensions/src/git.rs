//! The git of the machine that a sandbox is made on, asked so that nothing but what was named is run or reached.

use sandboxer_sdk::{CommandLine, CommandOutput};
use sandboxer_types::{ErrorKind, Failure};

/// Addresses that run a command of their own are refused even when the caller's settings allow them, also where a
/// repository names another.
const SETTINGS: [&str; 6] =
    ["-c", "protocol.ext.allow=never", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];

/// A command of git with these words. Asks nothing, since nobody may be there to answer.
pub(crate) fn command(words: &[&str]) -> CommandLine {
    CommandLine::new(["git"].iter().chain(&SETTINGS).chain(words).copied())
        .with_env("GIT_TERMINAL_PROMPT", "0")
        // A repository of that machine must not have its own missing parts fetched by a program that it names.
        .with_env("GIT_NO_LAZY_FETCH", "1")
        .with_env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file")
        .with_env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
}

/// Why git could not clone `url`. What is left of the attempt is not said.
pub(crate) fn explain(output: &CommandOutput, url: &str) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr).replace(url, &without_password(url));
    let said = said.trim();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let kind = if says(&["Authentication failed", "Permission denied", "could not read Username", "terminal prompts"]) {
        ErrorKind::Unauthenticated
    } else if says(&["not found", "does not exist", "did not match any", "invalid reference", "not appear to be a git"])
    {
        ErrorKind::NotFound
    } else {
        ErrorKind::Unavailable
    };
    Failure::new(kind, format!("git could not clone {}: {said}", without_password(url)))
        .with_field("inputs.repo", "cannot be cloned")
}

/// The address without what stands before its host, which may be a password.
pub(crate) fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host);
            format!("{scheme}://{host}{}", &rest[end..])
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_told() {
        assert_eq!(without_password("https://me:secret@host/x@y"), "https://host/x@y");
        assert_eq!(without_password("git@host:x"), "git@host:x");
        let output = CommandOutput {
            status: 128,
            stdout: Vec::new(),
            stderr: b"fatal: repository 'https://t:p@h/x' not found".to_vec(),
        };
        let failure = explain(&output, "https://t:p@h/x");
        assert_eq!(failure.kind, ErrorKind::NotFound);
        assert!(!failure.message.contains("t:p"), "{failure}");
    }
}
