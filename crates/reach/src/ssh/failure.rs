//! What `ssh` says, as a kind of failure and what to do about it. `ssh` has one exit code, 255, for all of them.

use crate::{ReachError, ReachErrorKind as Kind};
use sandboxer_types::SshDestination;

/// Words that show what happened.
struct Sign {
    words: &'static str,
    kind: Kind,
    what: &'static str,
    hint: &'static str,
}

/// The first that fits counts.
#[rustfmt::skip]
const SIGNS: [Sign; 21] = [
    Sign { words: "Control socket connect", kind: Kind::Unreachable, what: "has lost its connection", hint: "try again: a new connection is made" },
    Sign { words: "HOST IDENTIFICATION HAS CHANGED", kind: Kind::HostKeyChanged, what: "shows another key than before", hint: KEY },
    Sign { words: "Host key verification failed", kind: Kind::HostKeyChanged, what: "shows a key that is not accepted", hint: KEY },
    Sign { words: "REVOKED HOST KEY", kind: Kind::HostKeyChanged, what: "shows a key that was revoked", hint: KEY },
    Sign { words: "Permission denied (", kind: Kind::LoginRefused, what: "does not let us log in", hint: LOGIN },
    Sign { words: "Too many authentication failures", kind: Kind::LoginRefused, what: "was offered too many keys", hint: "name the one key in the ssh configuration: `IdentityFile` and `IdentitiesOnly yes`" },
    Sign { words: "Could not resolve hostname", kind: Kind::UnknownHost, what: "is not known by that name", hint: "check the name, or add it to the ssh configuration: `ssh` must reach it by the same name" },
    Sign { words: "Connection refused", kind: Kind::Refused, what: "refuses connections on that port", hint: "check that its ssh server runs, and on which port" },
    Sign { words: "onfiguration option", kind: Kind::InvalidInput, what: "cannot be reached, as the ssh configuration is not understood", hint: CONFIG },
    Sign { words: "Bad owner or permissions", kind: Kind::InvalidInput, what: "cannot be reached, as the ssh configuration is open to others", hint: CONFIG },
    Sign { words: "Can't open user config file", kind: Kind::InvalidInput, what: "cannot be reached, as the ssh configuration cannot be read", hint: CONFIG },
    Sign { words: "Connection timed out", kind: Kind::Deadline, what: "did not answer in time", hint: SILENT },
    Sign { words: "Operation timed out", kind: Kind::Deadline, what: "did not answer in time", hint: SILENT },
    Sign { words: "not responding", kind: Kind::Unreachable, what: "stopped answering", hint: SILENT },
    Sign { words: "Session open refused", kind: Kind::Busy, what: "opens no further session on the connection", hint: "raise `MaxSessions` of its ssh server, or end other sessions" },
    Sign { words: "forwarding request failed", kind: Kind::ForwardingRefused, what: "does not pass connections on to its sockets", hint: FORWARDING },
    Sign { words: "administratively prohibited", kind: Kind::ForwardingRefused, what: "does not pass connections on to its sockets", hint: FORWARDING },
    // What `ssh` calls the other side of a proxy, whose own words go nowhere for a connection that stays.
    Sign { words: "UNKNOWN port", kind: Kind::Unreachable, what: "is not reached by the proxy or jump host of the ssh configuration", hint: PROXY },
    Sign { words: "MaxStartups", kind: Kind::Busy, what: "takes no further login at the moment", hint: BUSY },
    Sign { words: "kex_exchange_identification", kind: Kind::Busy, what: "closed the connection before the login", hint: BUSY },
    Sign { words: "Connection reset by", kind: Kind::Busy, what: "closed the connection before the login", hint: BUSY },
];

const KEY: &str = "find out why: only if the machine was set up anew, remove its old key by `ssh-keygen -R`";
const LOGIN: &str =
    "log in once by hand with `ssh`; keys must work without a question, by an ssh agent or without a passphrase";
const CONFIG: &str = "mend the configuration: `ssh -G` with the machine's name shows how it is read";
const SILENT: &str = "check that the machine is up, and that no firewall is between";
const FORWARDING: &str = "`AllowStreamLocalForwarding` of its ssh server decides that";
const PROXY: &str = "log in once by hand with `ssh`: it shows what the proxy or the jump host says";
const BUSY: &str =
    "try again; `MaxStartups` of its ssh server limits logins at a time, and it may turn away this address";

/// The failure that `ssh` speaks of.
pub(crate) fn explain(destination: &SshDestination, said: &str) -> ReachError {
    let source = Said(shortened(said));
    match SIGNS.iter().find(|sign| said.contains(sign.words)) {
        Some(sign) => ReachError::new(sign.kind, format!("`{destination}` {}", sign.what)).with_hint(sign.hint),
        None => ReachError::new(Kind::Unreachable, format!("cannot reach `{destination}` by ssh")).with_hint(SILENT),
    }
    .with_source(source)
}

/// The words of `ssh`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// The last of it, on one line.
fn shortened(said: &str) -> String {
    const LINES: usize = 6;
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('@')).collect();
    let text = lines[lines.len().saturating_sub(LINES)..].join("; ");
    if text.is_empty() { "ssh said nothing".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_ssh_says_has_a_kind_and_a_hint() {
        for (said, kind) in [
            (
                "@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
                Kind::HostKeyChanged,
            ),
            ("root@127.0.0.1: Permission denied (publickey).", Kind::LoginRefused),
            ("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures", Kind::LoginRefused),
            ("ssh: Could not resolve hostname nosuch.invalid: Name or service not known", Kind::UnknownHost),
            ("ssh: connect to host 127.0.0.1 port 1: Connection refused", Kind::Refused),
            ("ssh: connect to host 10.255.255.1 port 22: Connection timed out", Kind::Deadline),
            ("ssh: connect to host 10.0.0.1 port 22: No route to host", Kind::Unreachable),
            ("Timeout, server 10.0.0.1 not responding.", Kind::Unreachable),
            ("mux_client_request_session: session request failed: Session open refused by peer", Kind::Busy),
            ("kex_exchange_identification: read: Connection reset by peer", Kind::Busy),
            ("kex_exchange_identification: Connection closed by remote host", Kind::Busy),
            (
                "/c: line 1: Bad configuration option: nonsense\n/c: terminating, 1 bad configuration options",
                Kind::InvalidInput,
            ),
            (
                "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535",
                Kind::Unreachable,
            ),
            (
                "Control socket connect(/c): Connection refused\nConnection closed by UNKNOWN port 65535",
                Kind::Unreachable,
            ),
            ("Bad owner or permissions on /home/me/.ssh/config", Kind::InvalidInput),
            ("", Kind::Unreachable),
        ] {
            let error = explain(&"me@host".parse().unwrap(), said);
            assert_eq!(error.kind(), kind, "{said}");
            assert!(error.hint().is_some() && error.source().is_some() && error.to_string().contains("`me@host`"));
        }
    }

    #[test]
    fn the_words_of_ssh_stay_readable() {
        assert_eq!(shortened("@@@@\n@ x @\n\none\r\ntwo\n"), "one; two");
        assert_eq!(shortened("1\n2\n3\n4\n5\n6\n7"), "2; 3; 4; 5; 6; 7");
        assert_eq!(shortened(""), "ssh said nothing");
    }
}
