//! The arguments of ssh. Every option stands before `--`, and what comes behind was checked when it was read.

use sandboxer_reach::ssh_words::{
    ALONE, MASTER, NOWHERE, PLAIN, SHELL, UNATTENDED, configuration, destination, list, through,
};
use sandboxer_types::SshDestination;
use std::ffi::OsString;
use std::path::Path;

/// Of a check's connection: it tells how it came about, and ends by itself soon after its last session.
const CHECKED: [&str; 3] = ["-v", "-oConnectTimeout=10", "-oControlPersist=20"];

/// A connection whose socket and log are in those places.
pub(super) fn connection(socket: &Path, log: &Path, place: &SshDestination, config: Option<&Path>) -> Vec<OsString> {
    let mut words = list(&[&MASTER[..], &CHECKED, &PLAIN, &UNATTENDED].concat());
    words.extend(configuration(config));
    words.extend(["-S".into(), socket.into(), "-E".into(), log.into()]);
    words.extend(destination(place));
    words
}

/// Something asked of a connection itself.
pub(super) fn control(socket: &Path, asked: &[&str]) -> Vec<OsString> {
    let mut words = through(socket);
    words.extend(list(asked));
    words.extend(list(&["--", NOWHERE]));
    words
}

/// A session over a connection, with a plain shell in it whatever the login shell is.
pub(super) fn session(socket: &Path) -> Vec<OsString> {
    let mut words = control(socket, &["-T"]);
    words.push(SHELL.into());
    words
}

/// A login that may ask questions: whether the key is the right one, or for a password.
pub(crate) fn login(place: &SshDestination, config: Option<&Path>) -> Vec<OsString> {
    let mut words = list(&[&ALONE[..], &PLAIN].concat());
    words.extend(configuration(config));
    words.extend(destination(place));
    words.push("exit 0".into());
    words
}

/// The first login, as a person types it.
pub(crate) fn by_hand(destination: &SshDestination, config: Option<&Path>) -> String {
    shown(&login(destination, config))
}

/// The command as a person would type it, without what only we need.
fn shown(arguments: &[OsString]) -> String {
    let words = arguments.iter().map(|word| word.to_string_lossy()).skip_while(|word| word.starts_with("-o"));
    let quoted = words.map(|word| match word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:@%+/".contains(&b)) {
        true => word.into_owned(),
        false => format!("'{word}'"),
    });
    std::iter::once("ssh".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_shown_as_a_person_types_it() {
        let other = Some(Path::new("/etc/ssh-of-ours"));
        assert_eq!(by_hand(&"b".parse().unwrap(), other), "ssh -F /etc/ssh-of-ours -- b 'exit 0'");
        assert_eq!(by_hand(&"me@b:22".parse().unwrap(), None), "ssh -l me -p 22 -- b 'exit 0'");
    }
}
