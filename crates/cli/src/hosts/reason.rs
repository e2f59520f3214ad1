//! Why a machine was not reached, by what ssh wrote into its log: ssh's status is 255 for all of it.

/// Why a machine was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NoSsh,
    Config,
    NameNotFound,
    Refused,
    Unreachable,
    TimedOut,
    HostKeyChanged,
    HostKeyUnknown,
    TooManyKeys,
    LoginRefused,
    NoCommonAlgorithm,
    Closed,
    Other,
}

/// What ssh writes, and what it means; the first that is found holds.
const SIGNS: [(&str, Reason); 21] = [
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Reason::HostKeyChanged),
    ("Host key verification failed", Reason::HostKeyUnknown),
    ("Too many authentication failures", Reason::TooManyKeys),
    ("Permission denied", Reason::LoginRefused),
    ("Could not resolve hostname", Reason::NameNotFound),
    ("Name or service not known", Reason::NameNotFound),
    ("Connection refused", Reason::Refused),
    ("No route to host", Reason::Unreachable),
    ("Network is unreachable", Reason::Unreachable),
    ("Connection timed out", Reason::TimedOut),
    ("Operation timed out", Reason::TimedOut),
    ("timed out", Reason::TimedOut),
    ("Bad configuration option", Reason::Config),
    ("Bad owner or permissions", Reason::Config),
    ("bad configuration options", Reason::Config),
    ("Unable to negotiate", Reason::NoCommonAlgorithm),
    ("no matching", Reason::NoCommonAlgorithm),
    ("Connection closed", Reason::Closed),
    ("Connection reset", Reason::Closed),
    ("closed by remote host", Reason::Closed),
    ("Broken pipe", Reason::Closed),
];

impl Reason {
    /// Finds the reason in ssh's log, and the line that tells it. What only debugging says is passed over: it quotes the
    /// other side.
    pub(super) fn find(log: &str) -> (Self, String) {
        let lines: Vec<&str> =
            log.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("debug")).collect();
        let found = SIGNS.iter().find_map(|(sign, reason)| {
            let line = lines.iter().find(|line| line.contains(sign))?;
            Some((*reason, line.trim_matches(['@', ' ']).trim_start_matches("WARNING: ").to_owned()))
        });
        found.unwrap_or_else(|| {
            let last = lines.iter().rfind(|line| !line.starts_with("OpenSSH_"));
            (Self::Other, last.map_or_else(|| "ssh did not say why".to_owned(), |line| (*line).to_owned()))
        })
    }

    /// The word for it in data.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::NoSsh => "no_ssh",
            Self::Config => "ssh_config",
            Self::NameNotFound => "name_not_found",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::HostKeyChanged => "host_key_changed",
            Self::HostKeyUnknown => "host_key_unknown",
            Self::TooManyKeys => "too_many_keys",
            Self::LoginRefused => "login_refused",
            Self::NoCommonAlgorithm => "no_common_algorithm",
            Self::Closed => "closed",
            Self::Other => "other",
        }
    }

    /// What to do about it.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::NoSsh => "install OpenSSH's client, `ssh`, and have it on your PATH",
            Self::Config => "mend your ssh config; `ssh -G DEST` shows how it is understood",
            Self::NameNotFound => "correct the name in `ssh:`, or name the host as an alias of ~/.ssh/config does",
            Self::Refused => "start sshd there, or correct the port: no program listens on it",
            Self::Unreachable => "look at the network between here and there: a VPN, a firewall, a machine that is off",
            Self::TimedOut => "see whether the machine is on, and whether a firewall drops what comes to that port",
            Self::HostKeyChanged => {
                "somebody may be in between. If the machine was set up anew, ask its owner for the new fingerprint, then \
                 remove the old key with `ssh-keygen -R` and log in once by hand"
            }
            Self::HostKeyUnknown => "log in once by hand and compare the fingerprint that ssh shows",
            Self::TooManyKeys => "name the right key in ~/.ssh/config by `IdentityFile` and `IdentitiesOnly yes`",
            Self::LoginRefused => {
                "put your public key there (`ssh-copy-id`), load it into your agent (`ssh-add`), or correct the user's \
                 name; a password cannot be used, since nobody is there to type it"
            }
            Self::NoCommonAlgorithm => "update ssh on the older side",
            Self::Closed => {
                "try again later: it takes no more logins at the moment (MaxStartups), bans this address, or is no sshd"
            }
            Self::Other => "try `ssh -v` by hand",
        }
    }
}

/// What ssh's log tells of a login that went well: the method, the key that was taken, and the other side's program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) method: Option<String>,
    pub(super) key: Option<String>,
    pub(super) server: Option<String>,
}

impl Login {
    /// Reads it from ssh's log, into which nothing is written that was said after the login.
    pub(super) fn find(log: &str) -> Self {
        let last = |start: &str| log.lines().rev().find_map(|line| line.trim().strip_prefix(start));
        let authenticated = last("Authenticated to ").or_else(|| last("debug1: Authentication succeeded "));
        let method = authenticated.and_then(|rest| {
            let quoted = rest.rsplit_once("using \"").map(|(_, rest)| rest);
            quoted.or_else(|| rest.strip_prefix('('))?.split(['"', ')']).next()
        });
        Self {
            method: method.map(str::to_owned),
            key: last("debug1: Server accepts key: ").map(str::to_owned),
            server: last("debug1: Remote protocol version 2.0, remote software version ").map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_told_apart() {
        for (log, reason) in [
            ("ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n", Reason::Refused),
            ("ssh: connect to host a port 22: Connection timed out", Reason::TimedOut),
            ("Connection timed out during banner exchange\nConnection to a port 22 timed out", Reason::TimedOut),
            ("ssh: Could not resolve hostname a.invalid: Name or service not known", Reason::NameNotFound),
            ("me@a: Permission denied (publickey).", Reason::LoginRefused),
            (
                "No ED25519 host key is known for a and you have requested strict checking.\nHost key verification failed.",
                Reason::HostKeyUnknown,
            ),
            (
                "@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@\nHost key verification failed.",
                Reason::HostKeyChanged,
            ),
            (
                "kex_exchange_identification: Connection closed by remote host\nConnection closed by 127.0.0.1 port 22",
                Reason::Closed,
            ),
            ("/home/a/.ssh/config: line 3: Bad configuration option: hosst", Reason::Config),
            (
                "debug1: Remote protocol version 2.0, remote software version Permission denied\nsomething new",
                Reason::Other,
            ),
            ("", Reason::Other),
        ] {
            assert_eq!(Reason::find(log).0, reason, "{log}");
        }
        let (_, line) = Reason::find("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @");
        assert_eq!(line, "REMOTE HOST IDENTIFICATION HAS CHANGED!");
    }

    #[test]
    fn the_key_and_the_method_are_read() {
        let log = "debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1\n\
                   debug1: Server accepts key: /a/old RSA SHA256:y\n\
                   debug1: Server accepts key: /a/key ED25519 SHA256:x explicit\r\n\
                   Authenticated to a ([127.0.0.1]:22) using \"publickey\".\n";
        let login = Login::find(log);
        assert_eq!(login.method.as_deref(), Some("publickey"));
        assert_eq!(login.key.as_deref(), Some("/a/key ED25519 SHA256:x explicit"));
        assert_eq!(Login::find("debug1: Authentication succeeded (none).").method.as_deref(), Some("none"));
        assert_eq!(Login::find(""), Login::default());
    }
}
