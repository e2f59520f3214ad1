//! Requests that a page in a browser could have sent.
//!
//! A page from anywhere can have its browser call an address of this machine. It cannot read the answer, but by then a
//! file is written; and by a name of its own that leads here it can read the answer, too. Programs that are meant to call
//! say no origin, and name this machine by its address.

use std::net::IpAddr;

use http::{Request, header};

/// Why such a request is refused.
pub(crate) const REFUSED: &str =
    "without a token, no page in a browser is served: give the agent one by `--token-file`";

/// Whether a page could have sent it.
pub(crate) fn may_have_sent<Body>(request: &Request<Body>) -> bool {
    if request.headers().contains_key(header::ORIGIN) {
        return true;
    }
    let named = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    let named = named.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    // A client of long ago, or a broken one, names nothing; browsers always do.
    named.is_some_and(|name| !is_this_machine(name))
}

fn is_this_machine(name: &str) -> bool {
    let Ok(authority) = name.parse::<http::uri::Authority>() else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(headers: &[(&str, &str)]) -> bool {
        let request = headers
            .iter()
            .fold(Request::builder().uri("/files"), |request, (name, value)| request.header(*name, *value));
        may_have_sent(&request.body(()).unwrap())
    }

    #[test]
    fn programs_are_told_from_pages() {
        for host in ["localhost", "localhost:49983", "127.0.0.1:1", "[::1]:1", "192.0.2.1"] {
            assert!(!sent(&[("host", host)]), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "evil.example:49983", "@", ""] {
            assert!(sent(&[("host", host)]), "{host}");
        }
        assert!(!sent(&[]));
        assert!(sent(&[("host", "localhost"), ("origin", "https://evil.example")]));
        assert!(sent(&[("host", "localhost"), ("origin", "null")]));
    }
}
