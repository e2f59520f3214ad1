//! The git of the machine that a sandbox is made on, asked so that nothing but what was named is run or reached.

use sandboxer_sdk::{CommandLine, CommandOutput};
use sandboxer_types::{ErrorKind, Failure};

/// Addresses that run a command of their own are refused even when the caller's settings allow them, also where a
/// repository names another. Submodules are left out: their addresses are the repository's to choose.
const SETTINGS: [&str; 8] = [
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "submodule.recurse=false",
];

/// Tells git, and nobody else, who asks: no other place than the address's own, wherever that leads git.
const HELPER: &str = "credential.helper=!f() { [ \"$1\" = get ] || return 0; while IFS= read -r line && [ -n \"$line\" ]; do \
    case $line in protocol=*) protocol=${line#*=} ;; host=*) host=${line#*=} ;; esac; done; \
    [ \"$protocol://$host\" = \"$SANDBOXER_GIT_ORIGIN\" ] || return 0; \
    printf 'username=%s\\npassword=%s\\n' \"$SANDBOXER_GIT_USER\" \"$SANDBOXER_GIT_PASSWORD\"; }; f";

/// A clone of `url` into `folder`, which keeps no password.
pub(crate) fn clone(url: &str, folder: &str) -> CommandLine {
    let address = Address::of(url);
    command(&address, &["clone", "--quiet", "--no-hardlinks", "--no-recurse-submodules", "--", &address.url, folder])
}

/// Checks `reference` out in `folder`, a clone of `url`.
pub(crate) fn checkout(url: &str, folder: &str, reference: &str) -> CommandLine {
    command(&Address::of(url), &["-C", folder, "checkout", "--quiet", reference, "--"])
}

/// A command of git with these words. Asks nothing, since nobody may be there to answer.
fn command(address: &Address, words: &[&str]) -> CommandLine {
    let helper: &[&str] =
        if address.password.is_some() { &["-c", "credential.helper=", "-c", HELPER] } else { Default::default() };
    let command = CommandLine::new(["git"].iter().chain(&SETTINGS).chain(helper).chain(words).copied())
        .with_env("GIT_TERMINAL_PROMPT", "0")
        // A repository of that machine must not have its own missing parts fetched by a program that it names.
        .with_env("GIT_NO_LAZY_FETCH", "1")
        .with_env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file")
        .with_env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
    match (&address.user, &address.password) {
        (Some(user), Some(password)) => command
            .with_env("SANDBOXER_GIT_ORIGIN", &address.origin)
            .with_env("SANDBOXER_GIT_USER", user)
            .with_env("SANDBOXER_GIT_PASSWORD", password),
        // Who it is may be a secret, too, and the machine's own helpers know the password.
        (Some(user), None) => command
            .with_env("GIT_CONFIG_COUNT", "1")
            .with_env("GIT_CONFIG_KEY_0", format!("credential.{}.username", address.origin))
            .with_env("GIT_CONFIG_VALUE_0", user),
        (None, _) => command,
    }
}

/// An address, and what stands in it that neither a list of processes nor a clone may show.
struct Address {
    /// Without user and password, where these are not for ssh.
    url: String,
    /// Scheme and host, as git tells them to who asks for a password.
    origin: String,
    user: Option<String>,
    password: Option<String>,
    /// How user and password stand in the address.
    written: Option<String>,
}

impl Address {
    /// Reads an address that [`check`] lets through.
    fn of(url: &str) -> Self {
        let mut address =
            Self { url: url.to_owned(), origin: String::new(), user: None, password: None, written: None };
        let Some(("http" | "https", written, host)) = user_and_host(url) else { return address };
        let (user, password) = match written.split_once(':') {
            Some((user, password)) => (user, decoded(password)),
            None => (written, None),
        };
        address.user = decoded(user);
        address.password = password;
        address.url = without_password(url);
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        address.origin = format!("{scheme}://{}", decoded(host).unwrap_or_default());
        address.written = Some(written.to_owned());
        address
    }

    /// What git said, without the secrets.
    fn hidden(&self, said: &str) -> String {
        let written = self.written.as_deref().unwrap_or_default();
        let password = written.split_once(':').map(|(_, password)| password);
        let users = [Some(written), self.user.as_deref()].into_iter().flatten().filter(|user| !user.is_empty());
        let said = users.fold(said.to_owned(), |said, user| said.replace(&format!("://{user}@"), "://"));
        let passwords = [password, self.password.as_deref()].into_iter().flatten().filter(|one| !one.is_empty());
        passwords.fold(said, |said, password| said.replace(password, "***"))
    }
}

/// Scheme, what stands before the host, and the host with its port, where something stands before it.
fn user_and_host(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, host) = rest.split('/').next()?.rsplit_once('@')?;
    Some((scheme, user, host))
}

/// Whether everybody who reads the address, git and whatever it fetches with, finds the same user and password in it.
///
/// # Errors
///
/// What is wrong, in words that tell neither.
pub(crate) fn check(url: &str) -> Result<(), &'static str> {
    let Some((scheme, user, host)) = user_and_host(url) else { return check_port(url) };
    let is_http = matches!(scheme, "http" | "https");
    if !is_http && user.contains(':') {
        return Err("has a password, which only https:// can use");
    }
    if user.contains(['@', '?', '#', '\\']) || host.contains(['?', '#', '\\']) {
        return Err("has a user or a password with letters that must be written as %40, %3F, %23 or %5C");
    }
    let plain = |text: &str| decoded(text).is_some_and(|text| !text.chars().any(char::is_control));
    if is_http && !(user.split(':').all(plain) && plain(host)) {
        return Err("has a user or a password that is no text");
    }
    check_port(url)
}

/// A `/` in a password would make a host of the user.
fn check_port(url: &str) -> Result<(), &'static str> {
    let Some(("http" | "https", rest)) = url.split_once("://") else { return Ok(()) };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    match after.split_once(':') {
        Some((_, port)) if !port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err("has a port that is no number; a `/` of a password must be written as %2F")
        }
        _ => Ok(()),
    }
}

/// Text of an address as git reads it; `None` where that is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok()).filter(|_| *first == b'%');
        let code = code.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = code.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|byte| *byte > 0);
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

/// Why git could not clone `url`. What is left of the attempt is not said.
pub(crate) fn explain(output: &CommandOutput, url: &str) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr).replace(url, &without_password(url));
    let said = Address::of(url).hidden(&said);
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

    #[test]
    fn a_password_stands_in_no_word_and_reaches_only_its_host() {
        let url = "https://me:s%40c%2fret@host:8443/x.git";
        for command in [clone(url, "/w"), checkout(url, "/w", "main")] {
            let words = command.argv.join(" ");
            assert!(!words.contains("ret@") && !words.contains("s@c") && !words.contains("me:"), "{words}");
            let said = |name: &str| command.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            assert_eq!(said("SANDBOXER_GIT_PASSWORD"), Some("s@c/ret"));
            assert_eq!(said("SANDBOXER_GIT_ORIGIN"), Some("https://host:8443"));
        }
        assert_eq!(answered(url, "https", "host:8443"), "username=me\npassword=s@c/ret\n");
        for (scheme, host) in [("http", "host:8443"), ("https", "host"), ("https", "other")] {
            assert_eq!(answered(url, scheme, host), "", "{scheme}://{host}");
        }
        let alone = clone("https://token@host/x", "/w");
        assert!(!alone.argv.join(" ").contains("token") && !alone.argv.iter().any(|word| word == HELPER));
        let named = ("GIT_CONFIG_KEY_0".to_owned(), "credential.https://host.username".to_owned());
        assert!(alone.env.contains(&named));
        assert!(clone("ssh://git@host/x", "/w").argv.iter().any(|word| word == "ssh://git@host/x"));
    }

    /// What git is told who asks its own helper, with the words and the environment of a clone.
    fn answered(url: &str, scheme: &str, host: &str) -> String {
        let command = clone(url, "/w");
        let settings: Vec<&String> = command.argv[1..].iter().take_while(|word| *word != "clone").collect();
        let mut git = std::process::Command::new("git")
            .args(settings)
            .args(["credential", "fill"])
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .envs([("GIT_ASKPASS", "/bin/false"), ("SSH_ASKPASS", "/bin/false")])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("git is here");
        let question = format!("protocol={scheme}\nhost={host}\n\n");
        std::io::Write::write_all(&mut git.stdin.take().expect("piped"), question.as_bytes()).expect("it reads");
        let answer = git.wait_with_output().expect("it ends").stdout;
        let answer = String::from_utf8(answer).expect("text");
        let lines = answer.split_inclusive('\n');
        lines.filter(|line| line.starts_with("username=") || line.starts_with("password=")).collect()
    }

    #[test]
    fn addresses_that_two_readers_would_read_differently_are_refused() {
        for url in
            ["https://me:a%40b@host:1/x@y", "https://[::1]:80/x", "ssh://git@host:22/x", "git@host:x", "file:///a@b"]
        {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for url in [
            "https://me:se@cret@host/x",
            "https://me:se#cret@host/x",
            "https://me:se?cret@host/x",
            "https://me:se/cret@host/x",
            "https://me:se%0acret@host/x",
            "https://me:%ffsecret@host/x",
            "ssh://me:secret@host/x",
        ] {
            let told = check(url).expect_err(url);
            assert!(!told.contains("cret"), "{told}");
        }
    }

    #[test]
    fn what_git_says_is_told_without_user_and_password() {
        let of = |stderr: &str, url: &str| {
            let output = CommandOutput { status: 128, stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() };
            explain(&output, url).message
        };
        let told = of("fatal: could not read Password for 'https://token@h': x", "https://token@h/x");
        assert!(!told.contains("token"), "{told}");
        let told = of("remote: no such p@ss, nor p%40ss", "https://me:p%40ss@h/x");
        assert!(!told.contains("p@ss") && !told.contains("p%40ss"), "{told}");
    }
}
