//! From a shell of a machine into a sandbox that is entered from there by a command.

use super::talk::{Said, Site, Talk};
use crate::connect::Joined;
use crate::{ReachError, ReachErrorKind as Kind};

/// Makes the shell behind `stream` one of the sandbox, by the words that enter it.
pub(crate) async fn shell_inside(stream: Joined, site: &Site<'_>, enter: &[String]) -> Result<Joined, ReachError> {
    let mut talk = Talk::begin(stream, site)?;
    let line = entering_line(talk.nonce(), enter)?;
    talk.send(line.as_bytes()).await?;
    match talk.next().await? {
        Said::Entered => Ok(talk.end()),
        Said::Need | Said::Socket(_) | Said::Mark | Said::Fault { .. } => {
            Err(ReachError::protocol("the shell says what it was not asked for"))
        }
    }
}

/// What a shell is told so that it becomes one of the sandbox; it says so first, since it may have read ahead.
pub(crate) fn entering_line(nonce: &str, enter: &[String]) -> Result<String, ReachError> {
    let words = quoted(enter.iter().map(String::as_str).chain(["/bin/sh"]))?;
    Ok(format!("printf '\\n%s entered\\n' {nonce}; exec {words}\n"))
}

/// Makes the shell behind `stream` that program, which says the mark that it is given as its last word.
pub(crate) async fn relay_inside(stream: Joined, site: &Site<'_>, program: &[String]) -> Result<Joined, ReachError> {
    let mut talk = Talk::begin(stream, site)?;
    let mark = format!("{}-mark", talk.nonce());
    let words = quoted(program.iter().map(String::as_str).chain([mark.as_str()]))?;
    talk.send(format!("exec {words}\n").as_bytes()).await?;
    match talk.next().await? {
        Said::Mark => Ok(talk.end()),
        Said::Need | Said::Socket(_) | Said::Entered | Said::Fault { .. } => {
            Err(ReachError::protocol("the relay says what it was not asked for"))
        }
    }
}

/// Words that a POSIX shell takes for nothing but themselves.
fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> Result<String, ReachError> {
    let mut text = String::new();
    for word in words {
        if word.contains('\0') {
            return Err(ReachError::new(Kind::InvalidInput, "a word of a command has a NUL byte"));
        }
        text.push('\'');
        text.push_str(&word.replace('\'', r"'\''"));
        text.push_str("' ");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_as_they_are() {
        let hostile = ["it's", "$(id)", "`id`", "a\nb", "\\", "\"", ";", "", "-x", "ü", "!!"];
        let text = quoted(hostile.into_iter()).unwrap();
        let said = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("for word in {text}; do printf '%s\\0' \"$word\"; done")])
            .output()
            .unwrap();
        let words: Vec<_> = said.stdout.split(|byte| *byte == 0).collect();
        assert_eq!(words[..hostile.len()], hostile.map(str::as_bytes));
        assert!(quoted(["a\0b"].into_iter()).is_err());
    }
}
