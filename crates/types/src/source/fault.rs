//! One thing that is wrong with a file, as data and as a person wants to see it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The file, as it was named to us.
    pub file: String,
    /// The line, from 1; 0 when the fault is the whole file's.
    pub line: usize,
    /// The column in characters, from 1; 0 when the fault is the whole file's.
    pub column: usize,
    /// The line and, under it, a caret for every character meant; empty when the fault is the whole file's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// The word that was probably meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// The next step to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Fault {
    /// A fault of the whole file.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            excerpt: String::new(),
            message: message.into(),
            nearest: None,
            hint: None,
        }
    }

    /// Adds the next step to take.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The fault in one line, without its excerpt: `file:line:column: message`.
    pub fn headline(&self) -> String {
        let (file, message) = (visible(&self.file), visible(&self.message));
        match self.line {
            0 => format!("{file}: {message}"),
            line => format!("{file}:{line}:{}: {message}", self.column),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.headline())?;
        let width = self.line.to_string().len();
        for (index, text) in self.excerpt.lines().enumerate() {
            if index == 0 {
                write!(formatter, "\n{:width$} |\n{} | {text}", "", self.line)?;
            } else {
                write!(formatter, "\n{:width$} | {text}", "")?;
            }
        }
        if let Some(nearest) = &self.nearest {
            let lead = if self.excerpt.is_empty() { ";" } else { "" };
            write!(formatter, "{lead} did you mean `{}`?", visible(nearest))?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n{:width$} = hint: {}", "", visible(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// The text on one line, and nothing in it that a terminal obeys.
fn visible(text: &str) -> String {
    text.chars().map(harmless).collect()
}

/// Keeps a terminal from obeying a file, and carets below what they mean: one visible character for one.
pub(super) fn harmless(character: char) -> char {
    match character {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        control if control.is_control() => '\u{fffd}',
        other => other,
    }
}
