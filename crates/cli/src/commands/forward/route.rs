//! From where to where, as it is typed.

use sandboxer_reach::Target;
use std::path::PathBuf;

/// Where to listen unless told otherwise.
pub(super) const LOOPBACK: &str = "127.0.0.1";

/// Where to listen here, and what to connect to inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(super) local: Local,
    pub(super) remote: Target,
}

/// Where to listen here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Local {
    /// At this port, or a free one where it is taken; at a free one when absent.
    Any(Option<u16>),
    /// At this address and port, and nowhere else.
    Tcp(String),
    /// At this path.
    Unix(PathBuf),
}

/// Reads `[LOCAL:]REMOTE`.
pub(super) fn parse(text: &str) -> Result<Route, String> {
    let (local, remote) = split(text);
    let remote = target(remote)?;
    let local = match local {
        Some(local) => place(local)?,
        None => Local::Any(match &remote {
            Target::Port(port) => Some(*port),
            Target::Socket(_) => None,
        }),
    };
    Ok(Route { local, remote })
}

/// What is inside begins behind the first `:/`, or behind the last `:`.
fn split(text: &str) -> (Option<&str>, &str) {
    if text.starts_with('/') {
        return (None, text);
    }
    // `unix:/path` has such a place itself.
    let begin = if text.starts_with("unix:") { "unix:".len() } else { 0 };
    let colon = text[begin..].find(":/").or_else(|| text[begin..].rfind(':')).map(|colon| begin + colon);
    match colon {
        Some(colon) => (Some(&text[..colon]), &text[colon + 1..]),
        None => (None, text),
    }
}

fn target(text: &str) -> Result<Target, String> {
    if text.starts_with('/') {
        return Ok(Target::Socket(text.into()));
    }
    port(text).map(Target::Port).ok_or_else(|| format!("`{text}` is neither a port nor an absolute path"))
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

fn place(text: &str) -> Result<Local, String> {
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Ok(Local::Unix(path.into()));
    }
    if text.parse::<u16>().is_ok() {
        return Ok(Local::Tcp(format!("{LOOPBACK}:{text}")));
    }
    match text.rsplit_once(':') {
        Some((address, port)) if !address.is_empty() && port.parse::<u16>().is_ok() => Ok(Local::Tcp(text.to_owned())),
        _ => Err(format!("`{text}` is neither a port, an address with a port, nor `unix:` with a path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let tcp = |text: &str| Local::Tcp(text.to_owned());
        let socket = |text: &str| Target::Socket(text.into());
        for (text, local, remote) in [
            ("8080", Local::Any(Some(8080)), Target::Port(8080)),
            ("/run/x.sock", Local::Any(None), socket("/run/x.sock")),
            ("/run/a:/b:1", Local::Any(None), socket("/run/a:/b:1")),
            ("3000:8080", tcp("127.0.0.1:3000"), Target::Port(8080)),
            ("0:8080", tcp("127.0.0.1:0"), Target::Port(8080)),
            ("0.0.0.0:3000:8080", tcp("0.0.0.0:3000"), Target::Port(8080)),
            ("[::1]:3000:8080", tcp("[::1]:3000"), Target::Port(8080)),
            ("3000:/run/x.sock", tcp("127.0.0.1:3000"), socket("/run/x.sock")),
            ("unix:/tmp/a:8080", Local::Unix("/tmp/a".into()), Target::Port(8080)),
            ("unix:a:8080", Local::Unix("a".into()), Target::Port(8080)),
            ("unix:/tmp/a:/run/b", Local::Unix("/tmp/a".into()), socket("/run/b")),
        ] {
            assert_eq!(parse(text), Ok(Route { local, remote }), "{text}");
        }
    }

    #[test]
    fn what_is_no_route() {
        for text in
            ["", ":", "0", "x", "70000", "3000:", ":80", "a:80", "unix:80", "unix::80", "1:2:80:x", "relative/x"]
        {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }
}
