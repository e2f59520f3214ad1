//! What people write for a machine: `[user@]host[:port]`, `ssh://[user@]host[:port]`, or an alias of their configuration.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Longer than any name of a host (255) with a user and a port.
const LONGEST: usize = 512;

/// A machine as `ssh` knows it. Each part is made of letters, digits and a few signs that mean nothing to `ssh`, to its
/// configuration's tokens or to a shell, and none begins with `-`: it can stand in arguments and in a user's
/// `ProxyCommand`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SshDestination {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

/// Why a text is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SshDestinationError {
    what: String,
}

impl SshDestination {
    /// Who to log in as, where it is said.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// A name, an address (IPv6 without brackets) or an alias.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where it is said.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl FromStr for SshDestination {
    type Err = SshDestinationError;

    fn from_str(text: &str) -> Result<Self, SshDestinationError> {
        if text.len() > LONGEST {
            return Err(fault(format!("a machine's name of {} bytes is too long", text.len())));
        }
        if let Some(control) = text.chars().find(|character| character.is_control() || character.is_whitespace()) {
            return Err(fault(format!("a machine's name cannot contain {control:?}")));
        }
        let rest = match text.strip_prefix("ssh://") {
            Some(rest) => rest.strip_suffix('/').unwrap_or(rest),
            None => text,
        };
        // A user may be `name@domain`.
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(checked("user", user, is_of_a_user)?), place),
            None => (None, rest),
        };
        let (host, port) = host_and_port(place)?;
        Ok(Self { user, host, port: port.map(parse_port).transpose()? })
    }
}

impl fmt::Display for SshDestination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(formatter, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(formatter, "[{}]", self.host)?;
        } else {
            formatter.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

fn fault(what: String) -> SshDestinationError {
    SshDestinationError { what }
}

fn is_of_a_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-+".contains(character)
}

fn is_of_a_user(character: char) -> bool {
    is_of_a_name(character) || character == '@'
}

fn checked(what: &str, text: &str, is_allowed: fn(char) -> bool) -> Result<String, SshDestinationError> {
    if text.is_empty() {
        return Err(fault(format!("the {what} is missing")));
    }
    if text.starts_with('-') {
        return Err(fault(format!("the {what} `{text}` begins with `-`")));
    }
    match text.chars().find(|character| !is_allowed(*character)) {
        Some(wrong) => Err(fault(format!("the {what} `{text}` contains {wrong:?}"))),
        None => Ok(text.to_owned()),
    }
}

fn host_and_port(place: &str) -> Result<(String, Option<&str>), SshDestinationError> {
    if let Some(bracketed) = place.strip_prefix('[') {
        let Some((address, rest)) = bracketed.split_once(']') else {
            return Err(fault(format!("`{place}` has no closing bracket")));
        };
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port),
            None if rest.is_empty() => None,
            None => return Err(fault(format!("`{rest}` stands behind the bracket"))),
        };
        return Ok((address_of_version_six(address)?, port));
    }
    match place.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            Err(fault(format!("`{place}` has several colons: write an IPv6 address in brackets")))
        }
        Some((host, port)) => Ok((checked("host", host, is_of_a_name)?, Some(port))),
        None => Ok((checked("host", place, is_of_a_name)?, None)),
    }
}

/// An address, perhaps with the network interface that it is reached by: `fe80::1%eth0`.
fn address_of_version_six(text: &str) -> Result<String, SshDestinationError> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(checked("zone", zone, is_of_a_name)?)),
        None => (text, None),
    };
    let parsed = address.parse::<Ipv6Addr>().map_err(|_| fault(format!("`{text}` is no IPv6 address")))?;
    Ok(zone.map_or_else(|| parsed.to_string(), |zone| format!("{parsed}%{zone}")))
}

fn parse_port(text: &str) -> Result<u16, SshDestinationError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { text.parse::<u16>().ok().filter(|port| *port != 0) } else { None };
    port.ok_or_else(|| fault(format!("`{text}` is no port")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        for (text, shown, user, host, port) in [
            ("host", "host", None, "host", None),
            ("me@host.example:2222", "me@host.example:2222", Some("me"), "host.example", Some(2222)),
            ("ssh://me@host:22/", "me@host:22", Some("me"), "host", Some(22)),
            ("ssh://host", "host", None, "host", None),
            ("me@corp@bastion", "me@corp@bastion", Some("me@corp"), "bastion", None),
            ("my_alias-2+b", "my_alias-2+b", None, "my_alias-2+b", None),
            ("127.0.0.1:22", "127.0.0.1:22", None, "127.0.0.1", Some(22)),
            ("[::1]", "[::1]", None, "::1", None),
            ("me@[FE80::1%eth0]:22", "me@[fe80::1%eth0]:22", Some("me"), "fe80::1%eth0", Some(22)),
        ] {
            let parsed: SshDestination = text.parse().unwrap();
            assert_eq!((parsed.user(), parsed.host(), parsed.port()), (user, host, port), "{text}");
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(shown.parse::<SshDestination>().unwrap(), parsed);
        }
    }

    #[test]
    fn what_nobody_should_write() {
        let long = "x".repeat(LONGEST + 1);
        let pieces = "@ @host me@ :22 me@:22 ssh:// ssh://me@ -oProxyCommand=x -p -- -h@host me@-oProxyCommand=x -me@host \
                      ssh://-oProxyCommand=x ssh://me@-x:22 [-x]:22 host;id $(id) `id` host|id host&id ho'st ho\"st host\\ a%h \
                      ${HOME} ~ me@ho/st host/path ssh://host/path $USER@host me;id@host me%r@host host: host:0 host:65536 \
                      host:+22 host:-1 host:22x host:２２ ::1 fe80::1:22 [::1 [::1]22 [host]:22 [] [::1%] [::1%-x] [::1%a;b] hôst";
        let spaced = ["", "-oProxyCommand=touch /tmp/x", "host name", "host\tname", "host\nProxyCommand x", "host\0"];
        let odd = ["host\u{7f}", "host\u{a0}x", long.as_str()];
        for text in pieces.split_whitespace().chain(spaced).chain(odd) {
            assert!(text.parse::<SshDestination>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        let said = |text: &str| text.parse::<SshDestination>().unwrap_err().to_string();
        assert_eq!(said("-oProxyCommand=x"), "the host `-oProxyCommand=x` begins with `-`");
        assert_eq!(said("a b"), "a machine's name cannot contain ' '");
        assert_eq!(said("fe80::1"), "`fe80::1` has several colons: write an IPv6 address in brackets");
        assert_eq!(said("host:70000"), "`70000` is no port");
    }
}
