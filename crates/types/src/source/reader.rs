//! Reads a tree key by key. A value reader returns `None` when it reported a fault, and reading goes on.

use super::sheet::{Place, Remark, Sheet, too_large};
use super::tree::{Content, Entry, Node};
use super::{Fault, LARGEST_FILE, tree};
use crate::Object;
use crate::id::quote_shortened;
use serde_json::Value;
use std::collections::BTreeMap;

/// A step from a value to one inside it, with the place to blame when something inside is missing.
struct Step {
    name: String,
    place: Place,
}

/// The sheet, and where in its tree the reading is.
pub(super) struct Reader<'a> {
    pub(super) sheet: Sheet<'a>,
    path: Vec<Step>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { sheet: Sheet::new(file, text), path: Vec::new() }
    }

    /// Reads the whole text with `read`, which is given the root.
    pub(super) fn run<T>(
        file: &'a str,
        text: &'a str,
        read: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Result<T, Vec<Fault>> {
        let mut reader = Self::new(file, text);
        let value = tree::parse(&mut reader.sheet).and_then(|root| read(&mut reader, &root));
        reader.sheet.conclude(value)
    }

    /// The file's name without its folders.
    pub(super) fn file_name(&self) -> &'a str {
        self.sheet.file.rsplit('/').next().unwrap_or(self.sheet.file)
    }

    /// Reports that `node` is wrong.
    pub(super) fn refuse<T>(&mut self, node: &Node, remark: Remark) -> Option<T> {
        self.sheet.report(node.place, remark);
        None
    }

    fn refuse_kind<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        let found = match node.to_json() {
            Value::Null => "nothing",
            Value::Bool(true) => "`true`",
            Value::Bool(false) => "`false`",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        };
        let remark = Remark::new(format!("{} must be {expected}, but this is {found}", self.subject()));
        let quotable = expected == "text" && matches!(node.content, Content::Scalar { .. });
        self.refuse(node, if quotable { remark.hint("put the value in quotes") } else { remark })
    }

    /// The value being read, for a message: `` `ttl.max` ``.
    pub(super) fn subject(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            let dot = if path.is_empty() || step.name.starts_with('[') { "" } else { "." };
            path.push_str(dot);
            path.push_str(&step.name);
        }
        if path.is_empty() { "the file".to_owned() } else { quote_shortened(&path) }
    }

    fn inside<T>(&mut self, name: impl Into<String>, place: Place, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Step { name: name.into(), place });
        let value = read(self);
        self.path.pop();
        value
    }

    /// Text, given to `parse`.
    pub(super) fn text<T>(&mut self, node: &Node, parse: impl FnOnce(&str) -> Result<T, Remark>) -> Option<T> {
        match (&node.content, node.to_json()) {
            (Content::Scalar { text, .. }, Value::String(_)) => self.parsed(node, text, parse),
            _ => self.refuse_kind(node, "text"),
        }
    }

    /// Text, or a number as it was written, so that `1.10` stays `1.10`; given to `parse`.
    pub(super) fn written<T>(&mut self, node: &Node, parse: impl FnOnce(&str) -> Result<T, Remark>) -> Option<T> {
        match (&node.content, node.to_json()) {
            (Content::Scalar { text, .. }, Value::String(_) | Value::Number(_)) => self.parsed(node, text, parse),
            _ => self.refuse_kind(node, "text"),
        }
    }

    fn parsed<T>(&mut self, node: &Node, text: &str, parse: impl FnOnce(&str) -> Result<T, Remark>) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(remark) => self.refuse(node, remark),
        }
    }

    /// A number above 0.
    pub(super) fn positive(&mut self, node: &Node) -> Option<f64> {
        match node.to_json().as_f64() {
            Some(number) if number > 0.0 => Some(number),
            Some(_) => {
                let remark = Remark::new(format!("{} must be above 0", self.subject()));
                self.refuse(node, remark)
            }
            None => self.refuse_kind(node, "a number"),
        }
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(&mut self, node: &Node, most: u64) -> Option<u64> {
        match node.to_json() {
            Value::Number(number) => match number.as_u64() {
                Some(count) if (1..=most).contains(&count) => Some(count),
                _ => {
                    let remark = Remark::new(format!("{} must be a whole number from 1 to {most}", self.subject()));
                    self.refuse(node, remark)
                }
            },
            _ => self.refuse_kind(node, "a whole number"),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, node: &Node) -> Option<bool> {
        match node.to_json() {
            Value::Bool(flag) => Some(flag),
            _ => self.refuse_kind(node, "true or false"),
        }
    }

    /// A mapping without a schema of ours.
    pub(super) fn object(&mut self, node: &Node) -> Option<Object> {
        match node.to_json() {
            Value::Object(object) => Some(object),
            _ => self.refuse_kind(node, "a mapping"),
        }
    }

    /// A list, each item read by `read`.
    pub(super) fn list<T>(
        &mut self,
        node: &Node,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Content::List(items) = &node.content else {
            return self.refuse_kind(node, "a list");
        };
        // Every item is read, also those after a faulty one.
        let items: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.inside(format!("[{index}]"), item.place, |reader| read(reader, item)))
            .collect();
        items.into_iter().collect()
    }

    /// A list with at least one item, none of them twice.
    pub(super) fn distinct<T: PartialEq>(
        &mut self,
        node: &Node,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut seen: Vec<T> = Vec::new();
        self.list(node, |reader, item| {
            let value = read(reader, item)?;
            if seen.contains(&value) {
                return reader.refuse(item, Remark::new("this is listed twice"));
            }
            seen.push(value);
            Some(())
        })?;
        if seen.is_empty() {
            let remark = Remark::new(format!("{} must list at least one", self.subject()));
            return self.refuse(node, remark);
        }
        Some(seen)
    }

    /// A mapping with keys of the author's own, checked by `check`, each value read by `read`.
    pub(super) fn dictionary<T>(
        &mut self,
        node: &Node,
        check: impl Fn(&str) -> Result<(), Remark>,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        let Content::Map(entries) = &node.content else {
            return self.refuse_kind(node, "a mapping");
        };
        let mut dictionary = BTreeMap::new();
        for entry in entries {
            if let Err(remark) = check(&entry.key) {
                self.sheet.report(entry.key_place, remark);
            }
            let value = self.inside(&entry.key, entry.key_place, |reader| read(reader, &entry.value));
            dictionary.extend(value.map(|value| (entry.key.clone(), value)));
        }
        Some(dictionary)
    }

    /// A mapping whose keys are asked for one by one.
    pub(super) fn fields<'r, 'n>(&'r mut self, node: &'n Node) -> Option<Fields<'r, 'a, 'n>> {
        match &node.content {
            Content::Map(entries) => {
                let beginning = Place { start: node.place.start, end: node.place.start };
                let place = self.path.last().map_or(beginning, |step| step.place);
                Some(Fields { reader: self, place, entries, asked: Vec::new() })
            }
            _ => self.refuse_kind(node, "a mapping"),
        }
    }
}

/// A mapping whose keys are asked for one by one. Keys that nobody asked for are reported when it is dropped, so the
/// known keys are listed nowhere but where they are read.
pub(super) struct Fields<'r, 'a, 'n> {
    pub(super) reader: &'r mut Reader<'a>,
    place: Place,
    entries: &'n [Entry],
    asked: Vec<&'static str>,
}

impl<'a, 'n> Fields<'_, 'a, 'n> {
    /// The entry of `key`, whether or not it has a value.
    pub(super) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of `key`; a key without a value counts as absent.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'a>, &'n Node) -> Option<T>,
    ) -> Option<T> {
        self.asked.push(key);
        let entry = self.entry(key).filter(|entry| !entry.value.to_json().is_null())?;
        self.reader.inside(key, entry.key_place, |reader| read(reader, &entry.value))
    }

    /// The value of `key`, which must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'a>, &'n Node) -> Option<T>,
    ) -> Option<T> {
        match self.entry(key) {
            None => self.refuse(Remark::new(format!("`{key}` is missing"))),
            Some(entry) if entry.value.to_json().is_null() => {
                self.reader.sheet.report(entry.key_place, Remark::new(format!("`{key}` has no value")));
            }
            Some(_) => {}
        }
        self.optional(key, read)
    }

    fn unused(&self) -> String {
        let unused = self.asked.iter().filter(|key| self.entry(key).is_none());
        format!("the other keys here are {}", unused.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "))
    }

    /// Reports that the mapping as a whole is wrong.
    pub(super) fn refuse(&mut self, remark: Remark) {
        self.reader.sheet.report(self.place, remark);
    }
}

impl Drop for Fields<'_, '_, '_> {
    fn drop(&mut self) {
        // A merge key was reported when the tree was made.
        let unknown = |entry: &&Entry| entry.key != "<<" && !self.asked.contains(&entry.key.as_str());
        for entry in self.entries.iter().filter(unknown) {
            let message = format!("unknown key {}", quote_shortened(&entry.key));
            let remark = Remark::new(message).near(&entry.key, self.asked.iter().copied());
            let remark = if remark.has_nearest() { remark } else { remark.hint(self.unused()) };
            self.reader.sheet.report(entry.key_place, remark);
        }
    }
}

/// The text of a file, unless it is too large or not UTF-8.
pub fn decode<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Fault> {
    if bytes.len() > LARGEST_FILE {
        return Err(Fault::of_file(file, too_large(bytes.len())));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Fault::of_file(file, format!("line {line} is not UTF-8")).with_hint("save the file as UTF-8")
    })
}

/// Which side of a `key: value` a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key, say one that must not be there.
    Key,
    /// The value.
    Value,
}

/// A fault found later, in what a file says at `path`: keys, and the indexes of lists. Where the path leads nowhere, the
/// fault is placed at the deepest step that exists. For faults that need more than one file to be seen.
pub fn fault_at(file: &str, text: &str, path: &[&str], part: Part, remark: Remark) -> Fault {
    let mut quiet = Sheet::new(file, text);
    let place = tree::parse(&mut quiet).map(|root| locate(&root, path, part));
    let mut sheet = Sheet::new(file, text);
    match place {
        Some(place) => sheet.report(place, remark),
        None => sheet.report_file(remark),
    }
    match sheet.conclude::<()>(None) {
        Ok(()) => Fault::of_file(file, "the file cannot be read"),
        Err(mut faults) => faults.swap_remove(0),
    }
}

fn locate(root: &Node, path: &[&str], part: Part) -> Place {
    let (mut node, mut place) = (root, Place { start: root.place.start, end: root.place.start });
    for (index, step) in path.iter().enumerate() {
        let (key_place, next) = match &node.content {
            Content::Map(entries) => match entries.iter().find(|entry| entry.key == *step) {
                Some(entry) => (Some(entry.key_place), &entry.value),
                None => return place,
            },
            Content::List(items) => match step.parse::<usize>().ok().and_then(|index| items.get(index)) {
                Some(item) => (None, item),
                None => return place,
            },
            Content::Scalar { .. } => return place,
        };
        let last = index + 1 == path.len();
        let by_key = part == Part::Key || matches!(next.content, Content::Map(_) | Content::List(_)) || !last;
        place = key_place.filter(|_| by_key).unwrap_or(next.place);
        node = next;
    }
    place
}
