//! What a `/files` request asks for.

use super::http::Refusal;

/// The query of `/files`. `mode` is ours: octal permission bits that an uploaded file gets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) path: Option<String>,
    pub(super) username: Option<String>,
    pub(super) mode: Option<u32>,
}

impl Query {
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "path" => query.path = Some(value.into_owned()),
                "username" if !value.is_empty() => query.username = Some(value.into_owned()),
                "mode" => query.mode = Some(parse_mode(&value)?),
                // Signatures and what else envd's clients send are the business of whoever guards the socket.
                _ => {}
            }
        }
        Ok(query)
    }
}

fn parse_mode(text: &str) -> Result<u32, Refusal> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| Refusal::bad_request(format!("`{text}` is no octal file mode")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse(Some("path=%2Fa%20b&username=root&mode=0755&signature=x")).unwrap();
        assert_eq!(query.path.as_deref(), Some("/a b"));
        assert_eq!((query.username.as_deref(), query.mode), (Some("root"), Some(0o755)));
        assert_eq!(Query::parse(None).unwrap(), Query::default());
        assert!(Query::parse(Some("mode=999")).is_err());
        assert!(Query::parse(Some("mode=17777")).is_err());
    }
}
