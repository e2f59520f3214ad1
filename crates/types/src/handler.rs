//! What runs an extension, as its manifest names it.

use crate::id::quote_shortened;
use crate::nearest::nearest_word;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What runs an extension, as its manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Handler {
    /// `builtin:<name>`: compiled in.
    Builtin(String),
    /// `exec:<path>`: a program, by its path relative to the manifest.
    Exec(String),
    /// `python:<module>:<Class>`.
    Python {
        /// The module.
        module: String,
        /// The class.
        class: String,
    },
    /// `<module>:<Class>`, as the 0.1 guide writes it: a built-in's alias, or else Python.
    Bare {
        /// The module.
        module: String,
        /// The class.
        class: String,
    },
}

/// The text names no handler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown} is not a handler: {reason}")]
pub struct HandlerFault {
    /// The text, shortened and with control characters escaped.
    pub shown: String,
    /// What is wrong with it.
    pub reason: &'static str,
    /// What was probably meant.
    pub nearest: Option<&'static str>,
}

const PREFIXES: [&str; 3] = ["builtin", "exec", "python"];

impl Handler {
    /// The forms a handler can have, for messages.
    pub const FORMS: &'static str = "`builtin:<name>`, `exec:<path>`, `python:<module>:<Class>` or `<module>:<Class>`";

    /// Reads a handler. A path of `exec:` must stay beside its manifest, and is never taken for a shell command.
    pub fn parse(text: &str) -> Result<Self, HandlerFault> {
        let fault = |reason, nearest| HandlerFault { shown: quote_shortened(text), reason, nearest };
        let Some((prefix, rest)) = text.split_once(':') else {
            return Err(fault("it has no `:`", nearest_word(text, PREFIXES)));
        };
        match prefix {
            "builtin" => builtin(rest),
            "exec" => check_relative_path(rest).map(|()| Self::Exec(rest.to_owned())),
            "python" => python_class(rest).map(|(module, class)| Self::Python { module, class }),
            _ => match nearest_word(prefix, PREFIXES) {
                Some(meant) => return Err(fault("it begins with none of the known prefixes", Some(meant))),
                None => python_class(text).map(|(module, class)| Self::Bare { module, class }),
            },
        }
        .map_err(|reason| fault(reason, None))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Handler {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Handler".into()
    }

    /// Letters that are not ASCII are not told from other characters: no pattern does so in every language.
    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let word = r"[^\x00-/:-@\[-\^`{-\x7f]";
        let identifier = format!(r"[^\x00-@\[-\^`{{-\x7f]{word}*");
        let class = format!(r"{identifier}(\.{identifier})*:{identifier}");
        // A part of a path: what a shell reads as one word, not beginning with `-`, and neither `.` nor `..`.
        let plain = r"[^\x00-\*,/:-?\[-\^`{-\x7f]";
        let part =
            format!(r"([^\x00-\*,-/:-?\[-\^`{{-\x7f]{plain}*|\.[^\x00-\*,./:-?\[-\^`{{-\x7f]{plain}*|\.\.{plain}+)");
        schemars::json_schema!({
            "description": "What runs the extension.",
            "type": "string",
            "examples": ["builtin:local", "exec:./my-backend", "python:my_backend:MyBackend"],
            "anyOf": [
                {"pattern": "^builtin:[a-z0-9][a-z0-9-]{0,59}$", "description": "`builtin:<name>`: compiled in."},
                {
                    "pattern": format!(r"^exec:(\./)?{part}(/{part})*$"),
                    "description": "`exec:<path>`: a program, by its path relative to the manifest.",
                },
                {"pattern": format!("^python:{class}$"), "description": "`python:<module>:<Class>`."},
                {
                    "pattern": format!("^{class}$"),
                    "not": {"pattern": "^(builtin|exec|python):"},
                    "description": "`<module>:<Class>`: a built-in's alias, or else Python.",
                },
            ],
        })
    }
}

fn builtin(name: &str) -> Result<Handler, &'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.is_empty() && name.len() <= 60 && !name.starts_with('-') && name.bytes().all(plain) {
        Ok(Handler::Builtin(name.to_owned()))
    } else {
        Err("a built-in's name is 1 to 60 of a-z, 0-9 and `-`")
    }
}

/// Anything a shell would read as more than one word is refused, so that nobody believes that a shell will read it.
fn check_relative_path(path: &str) -> Result<(), &'static str> {
    let inner = path.strip_prefix("./").unwrap_or(path);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@' | '/');
    if inner.is_empty() || path.len() > 1024 {
        Err("`exec:` takes a path of 1 to 1024 bytes")
    } else if path.starts_with(['/', '~']) {
        Err("`exec:` takes a path relative to the manifest")
    } else if inner.split('/').any(|part| part == "..") {
        Err("`exec:` takes a path below the manifest's folder, without `..`")
    } else if !inner.chars().all(plain) {
        Err("`exec:` takes a path, not a command: letters, digits and `._-+@/`, without arguments")
    } else if inner.split('/').any(|part| part.is_empty() || part == "." || part.starts_with('-')) {
        Err("each part of an `exec:` path has a name, which does not begin with `-`")
    } else {
        Ok(())
    }
}

fn python_class(text: &str) -> Result<(String, String), &'static str> {
    let identifier = |text: &str| {
        text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    match text.split_once(':') {
        Some((module, class)) if text.len() <= 256 && module.split('.').all(identifier) && identifier(class) => {
            Ok((module.to_owned(), class.to_owned()))
        }
        _ => Err("a Python handler is a dotted module, `:` and the name of a class"),
    }
}

impl FromStr for Handler {
    type Err = HandlerFault;
    fn from_str(text: &str) -> Result<Self, HandlerFault> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Handler {
    type Error = HandlerFault;
    fn try_from(text: String) -> Result<Self, HandlerFault> {
        Self::parse(&text)
    }
}

impl From<Handler> for String {
    fn from(handler: Handler) -> String {
        handler.to_string()
    }
}

impl fmt::Display for Handler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(name) => write!(formatter, "builtin:{name}"),
            Self::Exec(path) => write!(formatter, "exec:{path}"),
            Self::Python { module, class } => write!(formatter, "python:{module}:{class}"),
            Self::Bare { module, class } => write!(formatter, "{module}:{class}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            "builtin:local",
            "exec:run.sh",
            "exec:./bin/run",
            "exec:tools/äpfel+1.sh",
            "python:my_backend:MyExtension",
            "sandboxer.extensions.my_backend:MyExtension",
            "my_backend:_Class2",
        ] {
            assert_eq!(Handler::parse(text).map(|handler| handler.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn commands_escapes_and_slips_are_refused() {
        for text in [
            "",
            ":",
            "local",
            "builtin:",
            "builtin:Local",
            "builtin: local",
            "builtin:../x",
            "exec:",
            "exec:./",
            "exec:/bin/sh",
            "exec:~/run",
            "exec:../run",
            "exec:a/../../run",
            "exec:run.sh --flag",
            "exec:run;rm",
            "exec:$(id)",
            "exec:a//b",
            "exec:a/./b",
            "exec:-run",
            "exec:a\nb",
            "exec:a\0b",
            "python:module",
            "python:module:Class:more",
            "python:mod-ule:Class",
            "bulitin:local",
            "pyton:module:Class",
            "docker:run:it",
            "module:",
            "a..b:Class",
        ] {
            let fault = Handler::parse(text).expect_err(text);
            assert!(!fault.to_string().contains('\n'), "{fault}");
        }
        assert_eq!(Handler::parse("bulitin:local").expect_err("a slip").nearest, Some("builtin"));
    }
}
