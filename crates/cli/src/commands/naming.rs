//! The names of commands inside.

use crate::error::CommandResult;
use sandboxer_broker::Entrance;
use sandboxer_reach::ProcessSelector;
use sandboxer_sdk::{Ids, SystemIds};
use sandboxer_types::{ErrorKind, Failure, Residue};

/// Letters of a fresh name behind its first.
const LETTERS: usize = 5;
const LONGEST: usize = 63;

/// Reads a name that a person gives: one that is no process id, and stands in one word.
pub(super) fn tag(text: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if text.is_empty() || text.len() > LONGEST || !text.chars().all(plain) {
        return Err(format!("a name has 1 to {LONGEST} letters, digits, `-`, `_` and `.`"));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a number is a process id, not a name".to_owned());
    }
    Ok(text.to_owned())
}

/// The command that a person means: by its name, or its process id inside.
pub(super) fn selector(text: &str) -> ProcessSelector {
    text.parse().map_or_else(|_| ProcessSelector::Tag(text.to_owned()), ProcessSelector::Pid)
}

/// Makes sure that no other command runs under that name.
pub(super) async fn is_free(entrance: &Entrance, tag: &str) -> CommandResult<()> {
    let commands = entrance.session.commands().await?;
    if commands.iter().any(|command| command.ending.is_none() && command.tag.as_deref() == Some(tag)) {
        return Err(Failure::new(ErrorKind::Conflict, format!("a command named `{tag}` runs already"))
            .with_residue(Residue::None)
            .with_hint(format!("`sandboxer ps {}` lists the commands", entrance.status.sandbox_id))
            .into());
    }
    Ok(())
}

/// A name that no command of the sandbox has.
pub(super) async fn fresh(entrance: &Entrance) -> CommandResult<String> {
    let commands = entrance.session.commands().await?;
    loop {
        let id = SystemIds.fresh().to_string().to_ascii_lowercase();
        let name = format!("c{}", &id[id.len() - LETTERS..]);
        if commands.iter().all(|command| command.tag.as_ref() != Some(&name)) {
            return Ok(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_and_no_numbers() {
        for good in ["a", "web-server_2.0", "9a"] {
            assert_eq!(tag(good).as_deref(), Ok(good));
        }
        for bad in ["", "12", "a b", "a/b", "ä", &"a".repeat(64)] {
            assert!(tag(bad).is_err(), "{bad:?}");
        }
        assert_eq!(selector("12"), ProcessSelector::Pid(12));
        assert_eq!(selector("c12"), ProcessSelector::Tag("c12".to_owned()));
    }
}
