//! Small steps through a compose file that was read.

use sandboxer_types::Object;
use serde_json::Value;

/// The mapping under `key`; an empty one when there is none.
pub(super) fn mapping<'a>(of: &'a Object, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    of.get(key).and_then(Value::as_object).into_iter().flatten()
}

/// The list under `key`; an empty one when there is none.
pub(super) fn list<'a>(of: &'a Object, key: &str) -> impl Iterator<Item = &'a Value> {
    of.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The text under `key`.
pub(super) fn text<'a>(of: &'a Object, key: &str) -> Option<&'a str> {
    of.get(key).and_then(Value::as_str)
}

/// Whether there is nothing to it: absent, `null`, `false`, or empty.
pub(super) fn is_nothing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        Some(_) => false,
    }
}

/// Text that stands for itself in a file whose variables are replaced once more.
pub(super) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// `path` from `base` on, with its `.` and `..` resolved as far as text goes; links are for the machine to resolve.
pub(super) fn joined(base: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The folder that `path` is in.
pub(super) fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        None | Some(("", _)) => "/",
        Some((parent, _)) => parent,
    }
}

/// Whether `path` is `folder` or in it.
pub(super) fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_text() {
        assert_eq!(joined("/w", "./a/../b"), "/w/b");
        assert_eq!(joined("/w", "../../../etc"), "/etc");
        assert_eq!(joined("/w", "/etc/"), "/etc");
        assert!(is_in("/w", "/w") && is_in("/w/a", "/w") && is_in("/a", "/"));
        assert!(!is_in("/work", "/w") && !is_in("/", "/w"));
    }
}
