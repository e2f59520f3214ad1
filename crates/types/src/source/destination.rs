//! The destinations that a profile's `network` may allow.

use super::sheet::Remark;
use crate::id::quote_shortened;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Checks one destination: a host name, `*.` and a host name, an address or a network, each with or without a port.
pub(super) fn check_destination(text: &str) -> Result<(), Remark> {
    let fault = |what: &str| {
        let message = format!("{} is not a destination: {what}", quote_shortened(text));
        Err(Remark::new(message)
            .hint("for example `example.org:443`, `*.example.org`, `10.0.0.0/8` or `[2001:db8::1]:22`"))
    };
    if text.contains("://") {
        return fault("it is a URL; write its host and port");
    }
    if text.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if let Some((address, length)) = text.split_once('/') {
        return match (address.parse::<IpAddr>(), length.parse::<u8>()) {
            (Ok(IpAddr::V4(_)), Ok(0..=32)) | (Ok(IpAddr::V6(_)), Ok(0..=128)) => Ok(()),
            _ => fault("the network is not `<address>/<prefix length>`"),
        };
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if port.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..)) || !port.bytes().all(|b| b.is_ascii_digit())) {
        return fault("the port is not a number from 1 to 65535");
    }
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(address) if address.parse::<Ipv6Addr>().is_ok() => Ok(()),
        Some(_) => fault("the brackets hold no IPv6 address"),
        None if host.parse::<Ipv4Addr>().is_ok() => Ok(()),
        None if is_host_name(host.strip_prefix("*.").unwrap_or(host)) => Ok(()),
        None => fault("it is no host name, address or network"),
    }
}

/// A name whose last label is a number would be an address that was mistyped.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last_is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && !last_is_number && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_names_addresses_and_networks() {
        for good in [
            "example.org",
            "example.org:443",
            "*.example.org:443",
            "localhost:8080",
            "10.0.0.0/8",
            "10.1.2.3",
            "10.1.2.3:22",
            "2001:db8::1",
            "2001:db8::/32",
            "[2001:db8::1]:22",
        ] {
            assert_eq!(check_destination(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "*",
            "*.*.org",
            "exa mple.org",
            "https://example.org",
            "example.org:0",
            "example.org:+1",
            "example.org:70000",
            "example.org:",
            "10.0.0.0/33",
            "10.0.0",
            "10.0.0.256",
            "[::1",
            "[x]:1",
            "-a.org",
            "a..org",
            "example.org/path",
        ] {
            assert!(check_destination(bad).is_err(), "{bad}");
        }
    }
}
