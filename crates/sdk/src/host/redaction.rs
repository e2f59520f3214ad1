//! Keeping secrets out of whatever comes back.

use serde_json::Value;
use std::fmt;

/// What stands in the place of a secret.
const REPLACEMENT: &str = "[secret]";

/// The secrets that a process was ever sent.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Longest first, so that none is hidden by a part of it.
    values: Vec<String>,
}

/// Says how many, never which.
impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} secrets", self.values.len())
    }
}

impl Secrets {
    /// Remembers more of them, and the forms in which they may come back. An empty one hides nothing.
    pub fn add<'a>(&mut self, values: impl IntoIterator<Item = &'a String>) {
        for form in values.into_iter().flat_map(|value| forms(value)) {
            if !form.is_empty() && !self.values.contains(&form) {
                self.values.push(form);
            }
        }
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// A line that travels, to be shown: where it is JSON, its texts are looked through as what they mean.
    pub fn hide_in_line(&self, line: &str) -> String {
        if self.values.is_empty() {
            return line.to_owned();
        }
        match serde_json::from_str::<Value>(line) {
            Ok(value) => self.hide_in(value).to_string(),
            Err(_) => self.hide(line),
        }
    }

    /// The text without them.
    pub fn hide(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), REPLACEMENT) } else { text }
        })
    }

    /// The value without them, in texts and in names of members.
    pub fn hide_in(&self, value: Value) -> Value {
        if self.values.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.hide(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.hide_in(item)).collect()),
            Value::Object(members) => {
                Value::Object(members.into_iter().map(|(key, value)| (self.hide(&key), self.hide_in(value))).collect())
            }
            Value::Number(number) if self.are_in_text(&number.to_string()) => REPLACEMENT.into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    /// Whether any stands anywhere in the value.
    pub fn are_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.are_in_text(text),
            Value::Array(items) => items.iter().any(|item| self.are_in(item)),
            Value::Object(members) => members.iter().any(|(key, value)| self.are_in_text(key) || self.are_in(value)),
            Value::Number(number) => self.are_in_text(&number.to_string()),
            Value::Null | Value::Bool(_) => false,
        }
    }

    fn are_in_text(&self, text: &str) -> bool {
        self.values.iter().any(|secret| text.contains(secret.as_str()))
    }
}

/// A shorter line of a secret of several is hidden as a part of the whole only: it may be any word.
const SHORTEST_LINE: usize = 6;

/// The secret, each of its lines, since much is shown line by line, and both as JSON writes them.
fn forms(secret: &str) -> Vec<String> {
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
    let plain: Vec<&str> = std::iter::once(secret).chain(lines).collect();
    plain
        .into_iter()
        .flat_map(|text| [text.to_owned(), escaped(text, char::is_ascii), escaped(text, |_| true)])
        .collect()
}

/// The text as it stands between quotes in JSON; characters that do not stay plain are written by their numbers.
fn escaped(text: &str, stays_plain: impl Fn(&char) -> bool) -> String {
    let quoted = Value::from(text).to_string();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let mut units = [0; 2];
    inner.chars().fold(String::new(), |mut written, character| {
        match stays_plain(&character) {
            true => written.push(character),
            false => written.extend(character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
        written
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_hidden_wherever_they_stand_and_the_longer_first() {
        let mut secrets = Secrets::default();
        secrets.add(&["abc".to_owned(), "abcdef".to_owned(), String::new()]);
        assert_eq!(secrets.hide("abcdef abc ab"), "[secret] [secret] ab");
        let value = json!({"a": ["x abc"], "abcdef": {"b": 1}});
        assert!(secrets.are_in(&value));
        let hidden = secrets.hide_in(value);
        assert_eq!(hidden, json!({"a": ["x [secret]"], "[secret]": {"b": 1}}));
        assert!(!secrets.are_in(&hidden));
        assert_eq!(format!("{secrets:?}"), "2 secrets");
    }

    #[test]
    fn secrets_are_hidden_in_every_form_in_which_they_come_back() {
        let secret = "pass\"word\\é\nsecond line of it\n12345678";
        let mut secrets = Secrets::default();
        secrets.add(&[secret.to_owned()]);
        let ascii = r#"pass\"word\\\u00e9\nsecond line of it\n12345678"#;
        for text in [secret, "x second line of it y", "12345678", &Value::from(secret).to_string(), ascii] {
            let hidden = secrets.hide(text);
            assert!(!hidden.contains("second") && !hidden.contains("12345678") && !hidden.contains("pass"), "{hidden}");
        }
        let number = json!({"n": 12_345_678, "m": 1.5});
        assert!(secrets.are_in(&number));
        assert_eq!(secrets.hide_in(number), json!({"n": "[secret]", "m": 1.5}));
        let line = json!({"jsonrpc": "2.0", "params": {"key": secret}}).to_string();
        assert_eq!(secrets.hide_in_line(&line), r#"{"jsonrpc":"2.0","params":{"key":"[secret]"}}"#);
    }
}
