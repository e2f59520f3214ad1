//! The arguments of ssh. Every option stands before `--`, and what comes behind was checked when it was read.

use sandboxer_types::SshDestination;
use std::path::Path;

/// What a user's config must not do to a connection of ours: take another's, run or forward something, ask for a terminal.
const PLAIN: [&str; 8] = [
    "-oControlMaster=no",
    "-oControlPath=none",
    "-oClearAllForwardings=yes",
    "-oForwardAgent=no",
    "-oForwardX11=no",
    "-oPermitLocalCommand=no",
    "-oRemoteCommand=none",
    "-oRequestTTY=no",
];

/// Beside those of [`PLAIN`] but for the socket: a connection in the background, which nobody is asked about, which ends by
/// itself soon after its last session, and notices when the other side is gone.
const CONNECTION: [&str; 18] = [
    "-M",
    "-N",
    "-f",
    "-v",
    "-T",
    "-oBatchMode=yes",
    "-oClearAllForwardings=yes",
    "-oConnectTimeout=10",
    "-oConnectionAttempts=1",
    "-oControlPersist=20",
    "-oForwardAgent=no",
    "-oForwardX11=no",
    "-oPermitLocalCommand=no",
    "-oRemoteCommand=none",
    "-oServerAliveInterval=5",
    "-oStreamLocalBindMask=0177",
    "-oUpdateHostKeys=no",
    "-oVisualHostKey=no",
];
/// What goes over a connection never opens one of its own, also when the first has ended.
const OVER: [&str; 6] = ["-F", "none", "-oBatchMode=yes", "-oControlMaster=no", "-oProxyCommand=false", "-T"];
/// No machine has this name.
const NOWHERE: &str = "mux.invalid";

/// A connection whose socket and log are in those places.
pub(super) fn connection(socket: &Path, log: &Path, place: &SshDestination, config: Option<&Path>) -> Vec<String> {
    let mut words = CONNECTION.map(str::to_owned).to_vec();
    words.extend(instead(config));
    words.extend(["-S".to_owned(), socket.display().to_string(), "-E".to_owned(), log.display().to_string()]);
    words.extend(destination(place));
    words
}

/// Something asked of a connection itself.
pub(super) fn control<const N: usize>(socket: &Path, asked: [&str; N]) -> Vec<String> {
    let mut words = OVER.map(str::to_owned).to_vec();
    words.extend(["-S".to_owned(), socket.display().to_string()]);
    words.extend(asked.map(str::to_owned));
    words.push(NOWHERE.to_owned());
    words
}

/// A session over a connection, with a plain shell in it whatever the login shell is.
pub(super) fn session(socket: &Path) -> Vec<String> {
    let mut words = control(socket, []);
    words.push("exec /bin/sh".to_owned());
    words
}

/// A config file instead of the user's.
fn instead(config: Option<&Path>) -> Vec<String> {
    config.map(|config| vec!["-F".to_owned(), config.display().to_string()]).unwrap_or_default()
}

/// How ssh is told where to go.
pub(crate) fn destination(destination: &SshDestination) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(user) = destination.user() {
        words.extend(["-l".to_owned(), user.to_owned()]);
    }
    if let Some(port) = destination.port() {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    words.extend(["--".to_owned(), destination.host().to_owned()]);
    words
}

/// A login that may ask questions: whether the key is the right one, or for a password.
pub(crate) fn login(place: &SshDestination, config: Option<&Path>) -> Vec<String> {
    let mut words: Vec<String> = PLAIN.map(str::to_owned).to_vec();
    words.extend(instead(config));
    words.extend(destination(place));
    words.push("exit 0".to_owned());
    words
}

/// The first login, as a person types it.
pub(crate) fn by_hand(destination: &SshDestination, config: Option<&Path>) -> String {
    shown(&login(destination, config))
}

/// The command as a person would type it, without what only we need.
fn shown(arguments: &[String]) -> String {
    let words = arguments.iter().skip_while(|word| word.starts_with("-o"));
    let quoted = words.map(|word| match word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:@%+/".contains(&b)) {
        true => word.clone(),
        false => format!("'{word}'"),
    });
    std::iter::once("ssh".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_destination_says_stands_behind_the_options() {
        let words = |text: &str| destination(&text.parse().unwrap()).join(" ");
        assert_eq!(words("build-1"), "-- build-1");
        assert_eq!(words("me@build-1:2222"), "-l me -p 2222 -- build-1");
        let other = Some(Path::new("/etc/ssh-of-ours"));
        assert_eq!(by_hand(&"b".parse().unwrap(), other), "ssh -F /etc/ssh-of-ours -- b 'exit 0'");
        assert_eq!(words("root@[2001:db8::1]:22"), "-l root -p 22 -- 2001:db8::1");
        assert_eq!(login(&"build-1".parse().unwrap(), None).last().map(String::as_str), Some("exit 0"));
    }
}
