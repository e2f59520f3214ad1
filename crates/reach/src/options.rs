//! What a session says of itself with every request.

use std::fmt;

/// How to speak to an agent.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// What the agent asks of its clients, where it does.
    pub token: Option<AccessToken>,
    /// The lease to act under: when it runs out, the commands that were started under it are killed.
    pub lease: Option<String>,
}

/// The secret by which an agent knows its clients. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// Takes a secret in.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AccessToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        let options = SessionOptions { token: Some(AccessToken::new("hidden")), lease: None };
        assert!(!format!("{options:?}").contains("hidden"));
    }
}
