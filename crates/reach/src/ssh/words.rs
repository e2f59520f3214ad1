//! Words that `ssh` is told by everything here that runs it: the options, and where to go.
//!
//! Of two options for one thing the first counts, and those of the command line count before a configuration's.

use std::ffi::OsString;
use std::path::Path;

use sandboxer_types::SshDestination;

/// What a configuration must not do to a login of ours: run something, forward something, ask for a terminal.
pub const PLAIN: [&str; 6] = [
    "-oClearAllForwardings=yes",
    "-oForwardAgent=no",
    "-oForwardX11=no",
    "-oPermitLocalCommand=no",
    "-oRemoteCommand=none",
    "-oRequestTTY=no",
];

/// A connection of its own, that nobody else's goes through.
pub const ALONE: [&str; 2] = ["-oControlMaster=no", "-oControlPath=none"];

/// What stays in the background, logged in, for others to go through. Its socket comes behind `-S`, its log behind `-E`.
pub const MASTER: [&str; 5] = ["-M", "-N", "-f", "-T", "-oStreamLocalBindMask=0177"];

/// Where nobody can be asked: nothing is shown that somebody should look at, no key is exchanged unseen, and a silent machine is
/// given up in 15 seconds.
pub const UNATTENDED: [&str; 6] = [
    "-oBatchMode=yes",
    "-oConnectionAttempts=1",
    "-oServerAliveCountMax=3",
    "-oServerAliveInterval=5",
    "-oUpdateHostKeys=no",
    "-oVisualHostKey=no",
];

/// What the login shell runs, whichever it is: all that matters goes by standard input.
pub const SHELL: &str = "exec /bin/sh";

/// No machine can have this name (RFC 2606): what goes through a connection in the background leads nowhere else.
pub const NOWHERE: &str = "mux.invalid";

/// Through the connection in the background that has that socket. Without one that answers, or where it has no room, `ssh` would
/// quietly connect by itself, with the user's configuration: it is not given one, and cannot.
pub fn through(socket: &Path) -> Vec<OsString> {
    let mut words = list(&["-F", "none", "-S"]);
    words.push(socket.into());
    words.extend(list(&["-oBatchMode=yes", "-oProxyCommand=false"]));
    words
}

/// That configuration instead of the user's and the system's, where there is one.
pub fn configuration(config: Option<&Path>) -> Vec<OsString> {
    config.map(|config| vec!["-F".into(), config.into()]).unwrap_or_default()
}

/// Where to go. Every option stands before; what comes behind is the command.
pub fn destination(destination: &SshDestination) -> Vec<OsString> {
    let mut words = Vec::new();
    if let Some(user) = destination.user() {
        words.extend(list(&["-l", user]));
    }
    if let Some(port) = destination.port() {
        words.extend(list(&["-p", &port.to_string()]));
    }
    words.extend(list(&["--", destination.host()]));
    words
}

/// Words as `Command` takes them.
pub fn list(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_destination_says_stands_behind_the_options() {
        let words = |text: &str| destination(&text.parse().unwrap());
        assert_eq!(words("build-1"), list(&["--", "build-1"]));
        assert_eq!(words("me@build-1:2222"), list(&["-l", "me", "-p", "2222", "--", "build-1"]));
        assert_eq!(words("root@[2001:db8::1]:22"), list(&["-l", "root", "-p", "22", "--", "2001:db8::1"]));
    }
}
