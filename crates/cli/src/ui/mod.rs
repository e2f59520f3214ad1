//! Everything a person sees. Data goes to stdout, all else to stderr.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this module is where printing is done")]

pub(crate) mod log;
mod progress;
pub(crate) mod table;
pub(crate) mod text;

pub(crate) use progress::ProgressLine;

use crate::error::CommandError;
use crate::ui::text::{harmless, harmless_lines};
use sandboxer_types::Failure;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// How to talk to whoever called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    verbose: u8,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool, verbose: u8) -> Self {
        Self { json, quiet, verbose }
    }

    /// Whether more than usual should be said.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    /// Whether data is printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints data: as JSON when that was asked for, else as `human` says it.
    pub(crate) fn data<T: Serialize>(&self, value: &T, human: impl FnOnce() -> String) -> ExitCode {
        let text = if self.json {
            match serde_json::to_string_pretty(value) {
                Ok(text) => text,
                Err(error) => return self.unprintable(&error.to_string()),
            }
        } else {
            human()
        };
        self.line(&text)
    }

    /// Prints data as one line of JSON, for streams of them.
    pub(crate) fn data_line<T: Serialize>(&self, value: &T, human: impl FnOnce() -> String) -> ExitCode {
        if !self.json {
            return self.line(&human());
        }
        match serde_json::to_string(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.unprintable(&error.to_string()),
        }
    }

    fn line(&self, text: &str) -> ExitCode {
        if text.is_empty() {
            return ExitCode::SUCCESS;
        }
        let mut stdout = anstream::stdout().lock();
        let written = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
        match written {
            Ok(()) => ExitCode::SUCCESS,
            // Whoever read has read enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => self.unprintable(&error.to_string()),
        }
    }

    fn unprintable(&self, why: &str) -> ExitCode {
        eprintln!("error: cannot print the result\ncaused by: {why}");
        ExitCode::FAILURE
    }

    /// Says something that is not data.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            anstream::eprintln!("{text}");
        }
    }

    /// Says something a person should not miss.
    pub(crate) fn warning(&self, text: &str) {
        anstream::eprintln!("warning: {text}");
    }

    /// Says why a command inside could not start; its status says it too.
    pub(crate) fn not_started(&self, text: &str) {
        anstream::eprintln!("error: {text}");
    }

    /// Shows progress on a terminal while something takes its time.
    pub(crate) fn progress(&self) -> ProgressLine {
        ProgressLine::new(!self.quiet && !self.json && std::io::stderr().is_terminal(), self.quiet)
    }

    /// Says what went wrong, and returns the status for it: 125 where that of a command inside is passed through.
    pub(crate) fn error(&self, error: &CommandError, passes_status_through: bool) -> ExitCode {
        let status = error.status();
        let suffix = if passes_status_through { format!(" (status {status})") } else { String::new() };
        anstream::eprint!("{}", failure_text(error.failure(), &suffix));
        ExitCode::from(if passes_status_through { 125 } else { status })
    }
}

/// An error as a person reads it: what, why, and what to do next.
fn failure_text(failure: &Failure, suffix: &str) -> String {
    let mut text = format!("error: {}{suffix}\n", harmless(&failure.message));
    for field in &failure.fields {
        text.push_str(&format!("  {}: {}\n", harmless(&field.field), harmless(&field.message)));
    }
    // Some libraries repeat the message in the cause; once is enough.
    for cause in failure.causes.iter().filter(|cause| !cause.contains(&failure.message)) {
        text.push_str(&format!("caused by: {}\n", harmless_lines(cause)));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("hint: {}\n", harmless_lines(hint)));
    }
    text
}

/// Prints help to stdout, and usage errors to stderr.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    match error.print() {
        Ok(()) => ExitCode::from(code),
        Err(fault) if fault.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(code),
        Err(_) => ExitCode::from(2),
    }
}
