//! Who asks. Whoever reaches the socket may act as any user of the sandbox, so the name alone counts.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::{HeaderMap, header};

/// The user that a request names by HTTP basic authentication.
pub(crate) fn user_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = credentials.trim();
    let bytes = STANDARD.decode(credentials).or_else(|_| STANDARD_NO_PAD.decode(credentials)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let name = text.split_once(':').map_or(text.as_str(), |(name, _)| name);
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        user_of(&headers)
    }

    #[test]
    fn the_sdk_names_a_user_without_a_password() {
        assert_eq!(named("Basic cm9vdDo=").as_deref(), Some("root"));
        assert_eq!(named("basic cm9vdDo").as_deref(), Some("root"));
        assert_eq!(named("Basic Og=="), None);
        assert_eq!(named("Bearer cm9vdDo="), None);
        assert_eq!(named("Basic !"), None);
    }
}
