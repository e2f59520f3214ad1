//! Who may ask. An agent that was given a token serves whoever shows it; without one, whoever reaches its socket.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The header that shows the token.
const HEADER: &str = "x-access-token";
const SIGNATURE_VERSION: &str = "v1_";

/// A token. It never shows in what is printed, and is compared in constant time.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// `None` for an empty text: that would be shown by whoever shows none.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }

    fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("unauthorized access, please provide a valid access token or method signing if supported")]
    NoToken,
    #[error("access token present in header but does not match")]
    WrongToken,
    #[error("missing signature query parameter")]
    NoSignature,
    #[error("invalid signature")]
    WrongSignature,
    #[error("signature is already expired")]
    Expired,
    #[error("access token validation failed")]
    OtherToken,
}

/// By what a file was opened to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// By the token, or because there is none.
    ByToken,
    /// By the signature of its address.
    BySignature,
}

/// What a signed address gives access to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) path: &'a [u8],
    /// `read` or `write`.
    pub(crate) operation: &'a str,
    /// As the address has it; empty for the default user.
    pub(crate) user: &'a str,
    pub(crate) signature: Option<&'a str>,
    /// In seconds since 1970.
    pub(crate) expiration: Option<i64>,
}

/// The token, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Access(RwLock<Option<Token>>);

impl Access {
    pub(crate) fn new(token: Option<Token>) -> Self {
        Self(RwLock::new(token))
    }

    fn token(&self) -> Option<Token> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether nobody needs a token.
    pub(crate) fn is_open(&self) -> bool {
        self.token().is_none()
    }

    /// Whether a request may be served.
    pub(crate) fn permit(&self, headers: &HeaderMap) -> Result<(), Denied> {
        match self.token() {
            Some(token) if !headers.get(HEADER).is_some_and(|shown| token.is(shown.as_bytes())) => Err(Denied::NoToken),
            _ => Ok(()),
        }
    }

    /// Whether a file may be had: by the token, or by an address that was signed with it.
    pub(crate) fn permit_file(&self, headers: &HeaderMap, signed: &Signed<'_>, now: i64) -> Result<Opened, Denied> {
        let Some(token) = self.token() else { return Ok(Opened::ByToken) };
        if let Some(shown) = headers.get(HEADER).filter(|shown| !shown.is_empty()) {
            return if token.is(shown.as_bytes()) { Ok(Opened::ByToken) } else { Err(Denied::WrongToken) };
        }
        let signature = signed.signature.ok_or(Denied::NoSignature)?;
        if !bool::from(sign(&token, signed).as_bytes().ct_eq(signature.as_bytes())) {
            return Err(Denied::WrongSignature);
        }
        match signed.expiration {
            Some(expiration) if expiration < now => Err(Denied::Expired),
            _ => Ok(Opened::BySignature),
        }
    }

    /// Takes a token where there is none yet. Where there is one, it must be shown by the header or be the same.
    pub(crate) fn initialize(&self, headers: &HeaderMap, token: Option<Token>) -> Result<(), Denied> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = &*held else {
            *held = token;
            return Ok(());
        };
        let shown = headers.get(HEADER).is_some_and(|shown| known.is(shown.as_bytes()));
        match token {
            Some(token) if known.is(token.0.as_bytes()) => Ok(()),
            Some(_) => Err(Denied::OtherToken),
            None if shown => Ok(()),
            None => Err(Denied::NoToken),
        }
    }
}

/// As E2B's clients compute it.
fn sign(token: &Token, signed: &Signed<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(signed.path);
    for part in [signed.operation, signed.user, &token.0] {
        hash.update(b":");
        hash.update(part);
    }
    if let Some(expiration) = signed.expiration {
        hash.update(format!(":{expiration}"));
    }
    format!("{SIGNATURE_VERSION}{}", STANDARD_NO_PAD.encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(token: Option<&str>) -> HeaderMap {
        token.map(|token| (http::HeaderName::from_static(HEADER), token.parse().unwrap())).into_iter().collect()
    }

    fn signed(signature: Option<&str>, expiration: Option<i64>) -> Signed<'_> {
        Signed { path: b"/a.txt", operation: "read", user: "root", signature, expiration }
    }

    #[test]
    fn without_a_token_everyone_is_served() {
        let access = Access::default();
        assert_eq!(access.permit(&headers(None)), Ok(()));
        assert_eq!(access.permit_file(&headers(None), &signed(None, None), 0), Ok(Opened::ByToken));
        assert!(Token::new("").is_none());
    }

    #[test]
    fn a_token_must_be_shown() {
        let access = Access::new(Token::new("secret"));
        assert_eq!(access.permit(&headers(Some("secret"))), Ok(()));
        for shown in [None, Some(""), Some("secre"), Some("secret2"), Some("SECRET")] {
            assert_eq!(access.permit(&headers(shown)), Err(Denied::NoToken), "{shown:?}");
        }
        assert!(!format!("{access:?}").contains("secret"));
    }

    #[test]
    fn a_signature_opens_one_file_for_one_thing() {
        let access = Access::new(Token::new("tok"));
        // sha256("/a.txt:read:root:tok") and the same with ":100", by other means.
        let lasting = "v1_KTjXGiDHJKKf8d2hMvsgiaucFph+5RPuJalI42G8cJQ";
        let timed = "v1_mnkpcwBz1aimoNiYuAN8GBeThSYKqgSYa0QJDj/TLZ4";
        let none = headers(None);
        assert_eq!(access.permit_file(&none, &signed(Some(lasting), None), 0), Ok(Opened::BySignature));
        assert_eq!(access.permit_file(&none, &signed(None, None), 0), Err(Denied::NoSignature));
        assert_eq!(access.permit_file(&none, &signed(Some(lasting), Some(100)), 0), Err(Denied::WrongSignature));
        let writing = Signed { operation: "write", ..signed(Some(lasting), None) };
        assert_eq!(access.permit_file(&none, &writing, 0), Err(Denied::WrongSignature));
        let other = Signed { user: "", ..signed(Some(lasting), None) };
        assert_eq!(access.permit_file(&none, &other, 0), Err(Denied::WrongSignature));
        assert_eq!(access.permit_file(&none, &signed(Some(timed), Some(100)), 100), Ok(Opened::BySignature));
        assert_eq!(access.permit_file(&none, &signed(Some(timed), Some(100)), 101), Err(Denied::Expired));
        let wrong = headers(Some("other"));
        assert_eq!(access.permit_file(&wrong, &signed(Some(lasting), None), 0), Err(Denied::WrongToken));
    }

    #[test]
    fn a_token_is_set_once() {
        let access = Access::default();
        let init = |shown, token: Option<&str>| access.initialize(&headers(shown), token.and_then(Token::new));
        assert_eq!(init(None, None), Ok(()));
        assert_eq!(init(None, Some("one")), Ok(()));
        assert_eq!(init(None, Some("one")), Ok(()));
        assert_eq!(init(None, Some("two")), Err(Denied::OtherToken));
        assert_eq!(init(Some("one"), Some("two")), Err(Denied::OtherToken));
        assert_eq!(init(None, None), Err(Denied::NoToken));
        assert_eq!(init(Some("one"), None), Ok(()));
    }
}
