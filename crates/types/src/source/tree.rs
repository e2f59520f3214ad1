//! YAML text to a tree in which every value knows its place. The one importer of the YAML library.

use super::scalar;
use super::sheet::{Place, Remark, Sheet};
use crate::id::quote_shortened;
use serde_json::Value;
use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};
use std::collections::HashMap;

/// Deeper nesting is refused: what walks a tree does so recursively.
const DEEPEST: usize = 64;
/// More values than this, counting what aliases repeat, are refused.
const MOST_NODES: usize = 100_000;

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) content: Content,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A scalar; what an unquoted one is, [`scalar::resolve`] says.
    Scalar { text: String, quoted: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order it was written.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) value: Node,
}

impl Node {
    /// The JSON value, without the places.
    pub(super) fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar { text, quoted: true } => Value::from(text.as_str()),
            Content::Scalar { text, quoted: false } => scalar::resolve(text),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }

    fn count(&self) -> usize {
        1 + match &self.content {
            Content::Scalar { .. } => 0,
            Content::List(items) => items.iter().map(Self::count).sum(),
            Content::Map(entries) => entries.iter().map(|entry| entry.value.count()).sum::<usize>(),
        }
    }

    fn depth(&self) -> usize {
        1 + match &self.content {
            Content::Scalar { .. } => 0,
            Content::List(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            Content::Map(entries) => entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
        }
    }
}

/// Whose file it is that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// One of ours: what means nothing here is a fault.
    Strict,
    /// Another program's: its tags and merges (`<<`) stand as they are.
    Foreign,
}

/// Reads the sheet's text. `None` when no tree could be made, and then a fault was reported.
pub(super) fn parse(sheet: &mut Sheet<'_>) -> Option<Node> {
    parse_as(sheet, Manner::Strict)
}

/// Reads the sheet's text in that manner.
pub(super) fn parse_as(sheet: &mut Sheet<'_>, manner: Manner) -> Option<Node> {
    if !sheet.is_readable() {
        return None;
    }
    let limits = options! { emit_comments: false, flow_nesting_limit: DEEPEST, block_nesting_limit: DEEPEST };
    let parser = Parser::new_from_str_with_options(sheet.text, limits);
    let mut builder =
        Builder { sheet, manner, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, documents: 0, root: None };
    for next in parser {
        match next {
            Ok((event, span)) => builder.event(event, span)?,
            Err(error) => {
                let start = error.marker().byte_offset().unwrap_or(builder.sheet.text.len());
                builder.sheet.report(Place { start, end: start }, syntax(&error));
                return None;
            }
        }
    }
    let root = builder.root;
    if root.is_none() {
        sheet.report_file(Remark::new("the file is empty"));
    }
    root
}

fn syntax(error: &ScanError) -> Remark {
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep();
    }
    let info = error.info();
    let remark = Remark::new(format!("this is not YAML: {info}"));
    if info.contains("tab") { remark.hint("indent with spaces") } else { remark }
}

/// A collection whose end was not reached yet.
struct Open {
    place: Place,
    anchor: usize,
    content: OpenContent,
}

enum OpenContent {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Place)> },
}

struct Builder<'s, 'a> {
    sheet: &'s mut Sheet<'a>,
    manner: Manner,
    stack: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
}

impl Builder<'_, '_> {
    /// Takes one event in. `None` ends the reading, and then a fault was reported.
    fn event(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let start = span.byte_range().map_or(0, |range| range.start);
        let place = Place { start, end: span.byte_range().map_or(start, |range| range.end) };
        if let Some(tag) = event.tag().filter(|_| self.manner == Manner::Strict) {
            let message = format!("the tag {} means nothing here", quote_shortened(&tag.original()));
            let tagged = span.tag_span().and_then(|span| span.byte_range());
            let place = tagged.map_or(place, |range| Place { start: range.start, end: range.end });
            self.sheet.report(place, Remark::new(message).hint("to make a text of a value, put it in quotes"));
        }
        match event {
            Event::DocumentStart(..) => self.document(place),
            Event::Scalar(text, style, anchor, _) => {
                let quoted = !matches!(style, ScalarStyle::Plain);
                self.complete(Node { place, content: Content::Scalar { text: text.into_owned(), quoted } }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.open(place, anchor, OpenContent::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.open(place, anchor, OpenContent::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(place),
            Event::Alias(anchor) => self.alias(anchor, place),
            _ => Some(()),
        }
    }

    fn document(&mut self, place: Place) -> Option<()> {
        self.documents += 1;
        if self.documents == 1 {
            return Some(());
        }
        let remark = Remark::new("a second document begins here").hint("write one document a file");
        self.fatal(place, remark)
    }

    fn open(&mut self, place: Place, anchor: usize, content: OpenContent) -> Option<()> {
        if self.stack.len() >= DEEPEST {
            return self.fatal(place, too_deep());
        }
        self.stack.push(Open { place, anchor, content });
        Some(())
    }

    fn close(&mut self, end: Place) -> Option<()> {
        let open = self.stack.pop()?;
        let content = match open.content {
            OpenContent::List(items) => Content::List(items),
            OpenContent::Map { entries, .. } => {
                self.check_keys(&entries);
                Content::Map(entries)
            }
        };
        let place = Place { start: open.place.start, end: end.end.max(open.place.end) };
        self.complete(Node { place, content }, open.anchor)
    }

    /// Puts a finished node where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Option<()> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return self.fatal(node.place, too_many_nodes());
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(OpenContent::List(items)) => items.push(node),
            Some(OpenContent::Map { entries, key }) => match (key.take(), node.content) {
                (Some((key, key_place)), content) => {
                    entries.push(Entry { key, key_place, value: Node { place: node.place, content } });
                }
                (None, Content::Scalar { text, .. }) => *key = Some((text, node.place)),
                (None, _) => return self.fatal(node.place, Remark::new("a key must be text")),
            },
        }
        Some(())
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Option<()> {
        let Some(target) = self.anchors.get(&anchor) else {
            return self.fatal(place, Remark::new("this alias stands inside of what it repeats"));
        };
        self.nodes += target.count();
        let depth = target.depth();
        if self.nodes > MOST_NODES {
            return self.fatal(place, too_many_nodes());
        }
        if self.stack.len() + depth > DEEPEST {
            return self.fatal(place, too_deep());
        }
        let copy = Node { place, content: target.content.clone() };
        self.complete(copy, 0)
    }

    fn check_keys(&mut self, entries: &[Entry]) {
        let mut first: HashMap<&str, Place> = HashMap::with_capacity(entries.len());
        for entry in entries {
            if entry.key == "<<" && self.manner == Manner::Strict {
                let remark = Remark::new("`<<` does not merge here").hint("write the keys out");
                self.sheet.report(entry.key_place, remark);
            }
            if let Some(earlier) = first.insert(&entry.key, entry.key_place) {
                let line = self.sheet.line(earlier);
                let message = format!("{} is set twice; first on line {line}", quote_shortened(&entry.key));
                self.sheet.report(entry.key_place, Remark::new(message));
            }
        }
    }

    /// Reports what makes reading on pointless.
    fn fatal(&mut self, place: Place, remark: Remark) -> Option<()> {
        self.sheet.report(place, remark);
        None
    }
}

fn too_deep() -> Remark {
    Remark::new(format!("this is nested deeper than {DEEPEST} levels"))
}

fn too_many_nodes() -> Remark {
    Remark::new(format!("more than {MOST_NODES} values, counting what aliases repeat"))
}
