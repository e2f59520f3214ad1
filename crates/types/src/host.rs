//! A host: a machine that sandboxes are placed on, as `hosts.yaml` describes it.

use crate::id::quote_shortened;
use crate::{ByteSize, HostId, TimeSpan};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A machine that sandboxes are placed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// What it is called here.
    pub id: HostId,
    /// Where ssh finds it. When absent, its id is an alias of the user's ssh config; `localhost` is reached without ssh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshDestination>,
    /// What it is chosen by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How many sandboxes it has at once; no limit of ours when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// What there is of it to share.
    #[serde(default, skip_serializing_if = "HostResources::is_empty")]
    pub resources: HostResources,
    /// What the whole machine costs, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<HostPrice>,
}

/// What a machine has; what is absent is not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostResources {
    /// Processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
}

/// What a machine costs, whatever runs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPrice {
    /// How much, as a decimal text on the wire.
    pub amount: Decimal,
    /// Of what, by its ISO 4217 code.
    pub currency: String,
    /// For how long.
    pub per: TimeSpan,
}

impl Host {
    /// This machine, of which nothing was said.
    pub fn localhost() -> Self {
        Self::named(HostId::localhost())
    }

    /// A host of which only the id is known.
    pub fn named(id: HostId) -> Self {
        Self { id, ssh: None, labels: BTreeMap::new(), slots: None, resources: HostResources::default(), price: None }
    }

    /// Where ssh finds it; `None` for this machine, which needs no ssh.
    pub fn destination(&self) -> Option<SshDestination> {
        match &self.ssh {
            _ if self.id.is_localhost() => None,
            Some(destination) => Some(destination.clone()),
            None => Some(SshDestination::alias(&self.id)),
        }
    }
}

impl HostResources {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where ssh finds a machine: `host`, `user@host:port`, `ssh://user@[2001:db8::1]:22`. The host may be an alias of the
/// user's ssh config. No part of it begins with `-` or holds what a shell or a token of that config would act on, so that
/// it can stand in arguments and in a user's `ProxyCommand`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SshDestination {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

/// The text is not a destination of ssh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown} is not a destination of ssh: {what}")]
pub struct SshDestinationFault {
    shown: String,
    what: &'static str,
}

/// What may stand in a user's name beside letters and digits. A backslash stands behind a domain.
const SIGNS_OF_USERS: &str = "._-+@\\";
const LONGEST_USER: usize = 255;
const LONGEST_HOST: usize = 253;

impl SshDestination {
    /// How destinations are written, for a hint.
    pub const FORMS: &str = "write `host`, `user@host` or `user@host:port`; an IPv6 address stands in brackets";

    /// The alias of the user's ssh config that is called as a host is.
    pub fn alias(id: &HostId) -> Self {
        Self { user: None, host: id.to_string(), port: None }
    }

    /// As whom to log in; what ssh's config says when `None`.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// A name, an address without brackets, or an alias.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; what ssh's config says when `None`.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_prefix("ssh://").map_or(text, |place| place.strip_suffix('/').unwrap_or(place));
        if text.contains("://") {
            return Err("it is a URL, and not of ssh");
        }
        if text.starts_with('-') {
            return Err("it begins with `-`");
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("it holds white space or control characters");
        }
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(read_user(user)?.to_owned()), place),
            None => (None, text),
        };
        let (host, port) = read_place(place)?;
        Ok(Self { user, host: host.to_owned(), port })
    }
}

fn read_user(user: &str) -> Result<&str, &'static str> {
    if user.contains(':') {
        return Err("the user's name holds a `:`; a password has no place here");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || SIGNS_OF_USERS.contains(c);
    if user.is_empty() || user.len() > LONGEST_USER || user.starts_with('-') || user.ends_with('\\') {
        return Err("the user's name is empty, too long, or begins with `-`");
    }
    if !user.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Err("the user's name has no letter and no digit");
    }
    if user.chars().all(plain) { Ok(user) } else { Err("the user's name holds other signs than `._-+@`") }
}

fn read_place(place: &str) -> Result<(&str, Option<u16>), &'static str> {
    if let Some(rest) = place.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
        let port = match rest {
            "" => None,
            _ => Some(read_port(rest.strip_prefix(':').ok_or("something else than a port follows the brackets")?)?),
        };
        return if is_ipv6(address) { Ok((address, port)) } else { Err("the brackets hold no IPv6 address") };
    }
    if is_ipv6(place) {
        return Ok((place, None));
    }
    let (host, port) = match place.split_once(':') {
        Some((host, port)) => (host, Some(read_port(port)?)),
        None => (place, None),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let begins = host.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && host.len() <= LONGEST_HOST && host.bytes().all(plain) {
        Ok((host, port))
    } else {
        Err("the host is no name and no address")
    }
}

fn read_port(text: &str) -> Result<u16, &'static str> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0).ok_or("the port is not a number from 1 to 65535")
}

/// An address, perhaps with the name of a network interface behind it.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let plain = |zone: &str| !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_alphanumeric());
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(plain)
}

impl FromStr for SshDestination {
    type Err = SshDestinationFault;

    fn from_str(text: &str) -> Result<Self, SshDestinationFault> {
        Self::read(text).map_err(|what| SshDestinationFault { shown: quote_shortened(text), what })
    }
}

impl TryFrom<String> for SshDestination {
    type Error = SshDestinationFault;
    fn try_from(text: String) -> Result<Self, SshDestinationFault> {
        text.parse()
    }
}

impl From<SshDestination> for String {
    fn from(destination: SshDestination) -> String {
        destination.to_string()
    }
}

impl fmt::Display for SshDestination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(formatter, "{user}@")?;
        }
        match (self.host.contains(':'), self.port) {
            (true, Some(port)) => write!(formatter, "[{}]:{port}", self.host),
            (true, None) => write!(formatter, "[{}]", self.host),
            (false, Some(port)) => write!(formatter, "{}:{port}", self.host),
            (false, None) => formatter.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_read_and_written_back() {
        let parts = |text: &str| {
            let destination: SshDestination = text.parse().unwrap_or_else(|fault| panic!("{fault}"));
            assert_eq!(destination.to_string().parse(), Ok(destination.clone()), "{text}");
            (destination.user.clone(), destination.host.clone(), destination.port)
        };
        let user = |name: &str| Some(name.to_owned());
        assert_eq!(parts("build-1"), (None, "build-1".to_owned(), None));
        assert_eq!(parts("me@build.example.org:2222"), (user("me"), "build.example.org".to_owned(), Some(2222)));
        assert_eq!(parts("CORP\\ada@10.0.0.5"), (user("CORP\\ada"), "10.0.0.5".to_owned(), None));
        assert_eq!(parts("ada@example.org@gateway"), (user("ada@example.org"), "gateway".to_owned(), None));
        assert_eq!(parts("root@[2001:db8::1]:22"), (user("root"), "2001:db8::1".to_owned(), Some(22)));
        assert_eq!(parts("2001:db8::1"), (None, "2001:db8::1".to_owned(), None));
        assert_eq!(parts("fe80::1%eth0"), (None, "fe80::1%eth0".to_owned(), None));
        assert_eq!(parts("ssh://me@host:22/"), (user("me"), "host".to_owned(), Some(22)));
    }

    #[test]
    fn nothing_passes_that_ssh_could_take_for_something_else() {
        for hostile in [
            "",
            "-oProxyCommand=id",
            "me@-oProxyCommand=id",
            "-l@host",
            "host name",
            "host\n",
            "host\0",
            "a\u{a0}b",
            "$(id)",
            "me;id@host",
            "`id`@host",
            "me\\@host",
            "me:secret@host",
            "@host",
            "me@",
            "..@host",
            "host:",
            "host:0",
            "host:+22",
            "host:65536",
            "host:22:22",
            "[::1",
            "[host]:22",
            "[::1]22",
            "fe80::1%",
            "fe80::1%$(id)",
            "http://host",
            "ssh://",
            "ssh://-oProxyCommand=id",
            "ssh://host/path",
            "me%r@host",
            "a%h",
            "_host",
            "hüst",
        ] {
            assert!(hostile.parse::<SshDestination>().is_err(), "{hostile:?}");
        }
        let fault = "a\u{1b}[31m b".parse::<SshDestination>().expect_err("white space").to_string();
        assert!(!fault.contains('\u{1b}'), "{fault:?}");
    }
}
