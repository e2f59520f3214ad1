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
    /// Remembers more of them. An empty one hides nothing.
    pub fn add<'a>(&mut self, values: impl IntoIterator<Item = &'a String>) {
        for value in values {
            if !value.is_empty() && !self.values.contains(value) {
                self.values.push(value.clone());
            }
        }
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
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
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    /// Whether any stands anywhere in the value.
    pub fn are_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.are_in_text(text),
            Value::Array(items) => items.iter().any(|item| self.are_in(item)),
            Value::Object(members) => members.iter().any(|(key, value)| self.are_in_text(key) || self.are_in(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn are_in_text(&self, text: &str) -> bool {
        self.values.iter().any(|secret| text.contains(secret.as_str()))
    }
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
}
