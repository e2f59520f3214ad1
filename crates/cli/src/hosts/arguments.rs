//! The arguments of ssh. Every option stands before `--`, and what comes behind was checked when it was read.

use sandboxer_types::SshDestination;

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
pub(crate) fn login(place: &SshDestination) -> Vec<String> {
    let mut words: Vec<String> = PLAIN.map(str::to_owned).to_vec();
    words.extend(destination(place));
    words.push("exit 0".to_owned());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_destination_says_stands_behind_the_options() {
        let words = |text: &str| destination(&text.parse().unwrap()).join(" ");
        assert_eq!(words("build-1"), "-- build-1");
        assert_eq!(words("me@build-1:2222"), "-l me -p 2222 -- build-1");
        assert_eq!(words("root@[2001:db8::1]:22"), "-l root -p 22 -- 2001:db8::1");
        assert_eq!(login(&"build-1".parse().unwrap()).last().map(String::as_str), Some("exit 0"));
    }
}
