//! What a `/files` request asks for.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt as _};

use percent_encoding::percent_decode;

use crate::access::Signed;
use crate::answer::Refusal;

/// The query of `/files`. `mode` is ours: octal permission bits that an uploaded file gets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// As it was given; not necessarily text.
    pub(super) path: Option<OsString>,
    pub(super) username: Option<String>,
    pub(super) mode: Option<u32>,
    pub(super) signature: Option<String>,
    /// In seconds since 1970.
    pub(super) expiration: Option<i64>,
}

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            match &*decode(name) {
                b"path" => query.path = Some(OsString::from_vec(value.into_owned())),
                b"username" if !value.is_empty() => query.username = Some(user(words(&value, "username")?)?),
                b"mode" => query.mode = Some(mode(words(&value, "mode")?)?),
                b"signature" => query.signature = Some(words(&value, "signature")?.to_owned()),
                b"signature_expiration" => query.expiration = Some(expiration(words(&value, "signature_expiration")?)?),
                // What else envd's clients may send, it does not know either.
                _ => {}
            }
        }
        Ok(query)
    }

    /// What a signature in it would have to be for.
    pub(super) fn signed<'a>(&'a self, operation: &'a str) -> Signed<'a> {
        Signed {
            path: self.path.as_deref().map(OsStrExt::as_bytes).unwrap_or_default(),
            operation,
            user: self.username.as_deref().unwrap_or_default(),
            signature: self.signature.as_deref(),
            expiration: self.expiration,
        }
    }
}

/// As forms encode: a plus is a space, the rest by percent signs.
fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        percent_decode(text.replace('+', " ").as_bytes()).collect::<Vec<u8>>().into()
    } else {
        percent_decode(text.as_bytes()).into()
    }
}

fn words<'a>(value: &'a [u8], name: &str) -> Result<&'a str, Refusal> {
    std::str::from_utf8(value).map_err(|_| Refusal::bad_request(format!("the query parameter `{name}` is not UTF-8")))
}

/// With a colon, a signature of one path and user would be that of another path and user, too.
fn user(text: &str) -> Result<String, Refusal> {
    if text.contains(':') {
        return Err(Refusal::bad_request(format!("`{text}` is no name of a user")));
    }
    Ok(text.to_owned())
}

fn mode(text: &str) -> Result<u32, Refusal> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| Refusal::bad_request(format!("`{text}` is no octal file mode")))
}

fn expiration(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| Refusal::bad_request(format!("`{text}` is no time in seconds since 1970")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse(Some("path=%2Fa%20b+c&username=root&mode=0755&signature=v1_a%2Fb%2Bc")).unwrap();
        assert_eq!(query.path.unwrap(), "/a b c");
        assert_eq!((query.username.as_deref(), query.mode), (Some("root"), Some(0o755)));
        assert_eq!(query.signature.as_deref(), Some("v1_a/b+c"));
        assert_eq!(Query::parse(None).unwrap(), Query::default());
        assert_eq!(Query::parse(Some("signature_expiration=-5")).unwrap().expiration, Some(-5));
        for bad in ["username=read%3Aroot", "mode=999", "mode=17777", "username=%ff", "signature_expiration=soon"] {
            assert!(Query::parse(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_need_not_be_text() {
        let path = Query::parse(Some("path=%FF%00%zz")).unwrap().path.unwrap();
        assert_eq!(path.into_vec(), b"\xff\0%zz");
    }
}
