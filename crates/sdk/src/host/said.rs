//! What an extension says beside its answers: bounded, whatever it says.

use crate::{CallSink, LogLevel};
use std::collections::VecDeque;
use std::sync::Arc;

/// So many lines of the standard error are shown when a process has failed.
const TAIL: usize = 20;
/// So much of one line is kept, in bytes.
const LONGEST: usize = 4096;
/// So many lines of one call are kept.
const LINES: usize = 1000;
/// So much of one call is kept, in bytes.
const BYTES: usize = 256 * 1024;

/// The last lines of a process's standard error.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    pub(super) fn push(&mut self, line: String) {
        if self.0.len() == TAIL {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

/// The log of one call, as far as it is kept.
pub(super) struct CallLog {
    sink: Arc<dyn CallSink>,
    lines: usize,
    bytes: usize,
    dropped: u64,
}

impl CallLog {
    pub(super) fn new(sink: Arc<dyn CallSink>) -> Self {
        Self { sink, lines: 0, bytes: 0, dropped: 0 }
    }

    pub(super) fn sink(&self) -> &Arc<dyn CallSink> {
        &self.sink
    }

    pub(super) fn add(&mut self, level: LogLevel, line: &str) {
        let line = shortened(line);
        if self.lines == LINES || self.bytes + line.len() > BYTES {
            self.dropped += 1;
            return;
        }
        self.lines += 1;
        self.bytes += line.len();
        self.sink.log(level, line);
    }

    /// Says what was not kept, once the call is over.
    pub(super) fn end(&self, extension: &impl std::fmt::Display) {
        if self.dropped > 0 {
            let said = format!("`{extension}` broke the rule `flood`: {} more lines were not kept", self.dropped);
            self.sink.log(LogLevel::Warning, said);
        }
    }
}

/// The line without control characters, cut where it is too long.
pub(super) fn shortened(line: &str) -> String {
    let mut end = line.len().min(LONGEST);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let mut kept: String =
        line[..end].chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    if end < line.len() {
        kept.push('…');
    }
    kept
}
