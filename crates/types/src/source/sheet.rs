//! The text being read, and what was found wrong with it so far.

use super::fault::harmless;
use super::{Fault, LARGEST_FILE};
use crate::nearest_word;
use std::cmp::Ordering;

/// A stretch of the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What there is to say about a place: everything of a [`Fault`] but where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    message: String,
    nearest: Option<String>,
    hint: Option<String>,
}

impl Remark {
    /// A remark without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), nearest: None, hint: None }
    }

    /// Offers the one of `candidates` that `text` may be a slip of.
    pub fn near<'a>(mut self, text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        self.nearest = nearest_word(text, candidates).map(str::to_owned);
        self
    }

    /// Offers `word` as what was meant.
    pub fn meant(mut self, word: &str) -> Self {
        self.nearest = Some(word.to_owned());
        self
    }

    pub(super) fn has_nearest(&self) -> bool {
        self.nearest.is_some()
    }

    /// Adds the next step to take.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// More faults than this are counted, not shown: nobody reads them, and each costs a copy of its line.
const MOST_FAULTS: usize = 100;
/// An excerpt shows this many characters of a longer line.
const EXCERPT_WIDTH: usize = 100;
/// How many characters a cut excerpt shows before the fault.
const EXCERPT_LEAD: usize = 30;

/// The text being read, and what was found wrong with it so far.
pub(super) struct Sheet<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    faults: Vec<Fault>,
    unshown: usize,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        Self { file, text, lines, faults: Vec::new(), unshown: 0 }
    }

    /// The line that `place` begins on, from 1.
    pub(super) fn line(&self, place: Place) -> usize {
        self.lines.partition_point(|start| *start <= place.start)
    }

    /// The line and the column that `place` begins at, from 1.
    pub(super) fn position(&self, place: Place) -> (usize, usize) {
        let line = self.line(place);
        let start = floor_char_boundary(self.text, place.start);
        (line, self.text[self.lines[line - 1]..start].chars().count() + 1)
    }

    /// Whether every fault is among those that [`Self::conclude`] returns.
    pub(super) fn shows_all(&self) -> bool {
        self.unshown == 0
    }

    /// Notes that `place` is wrong.
    pub(super) fn report(&mut self, place: Place, remark: Remark) {
        if self.faults.len() >= MOST_FAULTS {
            self.unshown += 1;
            return;
        }
        let start = floor_char_boundary(self.text, place.start);
        let (line, column) = self.position(place);
        let line_start = self.lines[line - 1];
        let line_end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        let end = floor_char_boundary(self.text, place.end.clamp(start, line_end));
        let width = self.text[start..end].trim_end().chars().count().max(1);
        self.faults.push(Fault {
            line,
            column,
            excerpt: excerpt(self.text[line_start..line_end].trim_end(), column, width),
            nearest: remark.nearest,
            hint: remark.hint,
            ..Fault::of_file(self.file, remark.message)
        });
    }

    /// Notes that the file as a whole is wrong.
    pub(super) fn report_file(&mut self, remark: Remark) {
        let fault = Fault::of_file(self.file, remark.message);
        self.faults.push(Fault { nearest: remark.nearest, hint: remark.hint, ..fault });
    }

    /// Whether the text is small enough to be read at all; notes it otherwise.
    pub(super) fn is_readable(&mut self) -> bool {
        let readable = self.text.len() <= LARGEST_FILE;
        if !readable {
            self.report_file(Remark::new(too_large(self.text.len())));
        }
        readable
    }

    /// The value, unless a fault was found, and otherwise all faults in the order of their places.
    pub(super) fn conclude<T>(mut self, value: Option<T>) -> Result<T, Vec<Fault>> {
        self.faults.sort_by(|left, right| match left.line.cmp(&right.line) {
            Ordering::Equal => left.column.cmp(&right.column),
            unequal => unequal,
        });
        if self.unshown > 0 {
            self.faults.push(Fault::of_file(self.file, format!("and {} more faults", self.unshown)));
        }
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            Some(_) => Err(self.faults),
            None if self.faults.is_empty() => Err(vec![Fault::of_file(self.file, "the file cannot be read")]),
            None => Err(self.faults),
        }
    }
}

pub(super) fn too_large(size: usize) -> String {
    format!("the file has {size} bytes; at most {LARGEST_FILE} are read")
}

fn floor_char_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

/// The line and, under it, the carets. A long line is cut to what surrounds the fault.
fn excerpt(line: &str, column: usize, width: usize) -> String {
    let cut = if line.chars().count() > EXCERPT_WIDTH { (column - 1).saturating_sub(EXCERPT_LEAD) } else { 0 };
    let mut shown: String = line.chars().skip(cut).take(EXCERPT_WIDTH).map(harmless).collect();
    let mut indent = column - 1 - cut;
    if cut > 0 {
        shown.insert(0, '…');
        indent += 1;
    }
    if line.chars().nth(cut + EXCERPT_WIDTH).is_some() {
        shown.push('…');
    }
    let carets = width.min((shown.chars().count()).saturating_sub(indent)).max(1);
    format!("{shown}\n{}{}", " ".repeat(indent), "^".repeat(carets))
}
