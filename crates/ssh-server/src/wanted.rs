//! What a client wants run.

use std::collections::BTreeMap;

use sandboxer_reach::{ExecRequest, WindowSize};

use crate::place::Place;
use crate::sftp;

/// Runs the user's own shell: to stay, or for one command. A shell that lets nobody in is not one.
const SHELL: &str = r#"case ${SHELL-} in '' | */nologin | */false) SHELL= ;; esac
if [ ! -x "$SHELL" ]; then
  SHELL=/bin/sh
  [ ! -x /bin/bash ] || SHELL=/bin/bash
fi
export SHELL
[ $# -gt 0 ] || exec "$SHELL" -l
exec "$SHELL" -c "$1""#;
/// More variables no client sets.
const MOST_VARIABLES: usize = 1000;

/// What is to be run.
#[derive(Debug)]
pub(crate) enum Work {
    Command(Vec<u8>),
    Shell,
    Files(sftp::Server),
}

impl Work {
    pub(crate) fn subsystem(name: &str) -> Option<Self> {
        sftp::Server::named(name).map(Self::Files)
    }
}

/// What is asked for before something is run.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    env: BTreeMap<String, String>,
    terminal: Option<WindowSize>,
}

impl Wanted {
    pub(crate) fn terminal(&mut self, kind: &str, size: WindowSize) {
        self.terminal = Some(size);
        if !kind.is_empty() {
            self.set("TERM", kind);
        }
    }

    /// Whether there is a terminal that can have that size.
    pub(crate) fn resize(&mut self, size: WindowSize) -> bool {
        self.terminal = self.terminal.map(|_| size);
        self.terminal.is_some()
    }

    /// Sets a variable, if it can be one. The sandbox's user may set any, so that the client may, too.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> bool {
        let mut letters = name.bytes();
        let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
        let sound = begins && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
        if !sound || value.contains('\0') || self.env.len() >= MOST_VARIABLES {
            return false;
        }
        self.env.insert(name.to_owned(), value.to_owned());
        true
    }

    /// A command by the user's shell, or the shell itself where there is none; or why not, in words for people.
    pub(crate) fn request(mut self, command: Option<Vec<u8>>, place: &Place) -> Result<ExecRequest, &'static str> {
        let command = command.map(String::from_utf8).transpose().map_err(|_| "the command is not UTF-8")?;
        if command.as_ref().is_some_and(|command| command.contains('\0')) {
            return Err("the command contains a zero byte");
        }
        let words = ["/bin/sh", "-c", SHELL, "sh"];
        let mut request = place.command(words.into_iter().chain(command.as_deref().filter(|text| !text.is_empty())));
        request.env.append(&mut self.env);
        request.pty = self.terminal;
        request.stdin = true;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_names_that_shells_know() {
        let mut wanted = Wanted::default();
        for (name, granted) in
            [("LANG", true), ("LC_ALL", true), ("_x1", true), ("", false), ("1a", false), ("a=b", false), ("ä", false)]
        {
            assert_eq!(wanted.set(name, ""), granted, "{name}");
        }
        assert!(!wanted.set("LANG", "a\0b"));
    }

    #[test]
    fn a_terminal_has_the_size_that_was_said_last() {
        let mut wanted = Wanted::default();
        let size = |rows| WindowSize { rows, cols: 80 };
        assert!(!wanted.resize(size(10)));
        wanted.terminal("xterm", size(20));
        assert!(wanted.resize(size(30)));
        assert_eq!(wanted.terminal, Some(size(30)));
        assert_eq!(wanted.env["TERM"], "xterm");
    }
}
