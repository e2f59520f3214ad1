//! Readers of single values, shared by manifests, profiles and hosts.

use super::reader::Reader;
use super::sheet::Remark;
use super::tree::Node;
use crate::capabilities::UnknownWord;
use crate::id::quote_shortened;
use crate::{ByteSize, ExtensionId, IsolationLevel, TimeSpan, check_label_key};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

const LONGEST_LABEL: usize = 256;

pub(super) fn from_error(error: impl Display) -> Remark {
    Remark::new(error.to_string())
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// One word of a known few.
pub(super) fn word<T: FromStr<Err = UnknownWord>>(reader: &mut Reader<'_>, node: &Node) -> Option<T> {
    reader.written(node, |text| {
        text.parse().map_err(|UnknownWord { what, allowed }| {
            let remark =
                Remark::new(format!("unknown {what} {}", quote_shortened(text))).near(text, allowed.iter().copied());
            remark.hint(format!("it is one of {}", list(allowed)))
        })
    })
}

/// A level of [`IsolationLevel::RANKED`], or one of the author's own.
pub(super) fn isolation(reader: &mut Reader<'_>, node: &Node) -> Option<IsolationLevel> {
    reader.written(node, |text| {
        text.parse().map_err(|_| {
            let remark = Remark::new(format!("unknown isolation level {}", quote_shortened(text)));
            let known = list(&IsolationLevel::RANKED);
            remark
                .near(text, IsolationLevel::RANKED)
                .hint(format!("it is one of {known}, or a name of your own that begins with `x-`"))
        })
    })
}

/// Text on one line.
pub(super) fn line(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.written(node, |text| {
        if text.trim().is_empty() {
            Err(Remark::new("this is empty"))
        } else if text.chars().any(char::is_control) || text.len() > 500 {
            Err(Remark::new("this must be one line of at most 500 bytes, without control characters"))
        } else {
            Ok(text.to_owned())
        }
    })
}

/// Text of any length, without the one byte that no argument and no variable can hold.
pub(super) fn free_text(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.written(node, |text| match text.contains('\0') {
        true => Err(Remark::new("this holds a NUL byte")),
        false => Ok(text.to_owned()),
    })
}

/// The id of an extension.
pub(super) fn extension(reader: &mut Reader<'_>, node: &Node) -> Option<ExtensionId> {
    reader.text(node, |text| {
        text.parse().map_err(|error| match ExtensionId::from_short(text) {
            Ok(id) => from_error(error).meant(id.as_str()),
            Err(_) => from_error(error),
        })
    })
}

/// A length of time above zero.
pub(super) fn time_span(reader: &mut Reader<'_>, node: &Node) -> Option<TimeSpan> {
    let subject = reader.subject();
    reader.written(node, |text| match text.parse::<TimeSpan>() {
        Ok(span) if span.as_duration().is_zero() => Err(Remark::new(format!("{subject} must be above 0"))),
        Ok(span) => Ok(span),
        Err(error) => Err(from_error(error)),
    })
}

/// An amount of bytes above zero.
pub(super) fn size(reader: &mut Reader<'_>, node: &Node) -> Option<ByteSize> {
    let subject = reader.subject();
    reader.written(node, |text| match text.parse::<ByteSize>() {
        Ok(size) if size.as_bytes() == 0 => Err(Remark::new(format!("{subject} must be above 0"))),
        Ok(size) => Ok(size),
        Err(error) => Err(from_error(error)),
    })
}

/// Labels: keys and values of the author's own.
pub(super) fn labels(reader: &mut Reader<'_>, node: &Node) -> Option<BTreeMap<String, String>> {
    reader.dictionary(node, |key| check_label_key(key).map_err(from_error), label_value)
}

fn label_value(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.written(node, |text| {
        if text.len() > LONGEST_LABEL || text.chars().any(char::is_control) {
            Err(Remark::new("a label's value has at most 256 bytes and no control characters"))
        } else {
            Ok(text.to_owned())
        }
    })
}

/// The name of an environment variable.
pub(super) fn variable(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.text(node, |text| check_variable(text).map(|()| text.to_owned()))
}

pub(super) fn check_variable(text: &str) -> Result<(), Remark> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(());
    }
    let message = format!("{} cannot name an environment variable", quote_shortened(text));
    Err(Remark::new(message).hint("letters, digits and `_`, not beginning with a digit"))
}

/// A name in a file: of a secret or a cache.
pub(super) fn name(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.text(node, |text| check_name(text).map(|()| text.to_owned()))
}

pub(super) fn check_name(text: &str) -> Result<(), Remark> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if starts && text.len() <= 63 && text.bytes().all(plain) {
        return Ok(());
    }
    let message = format!("{} is not a name", quote_shortened(text));
    Err(Remark::new(message).hint("1 to 63 letters, digits, `_` and `-`, not beginning with `-`"))
}

/// A folder inside of a sandbox, or on the host where `home` allows `~`.
pub(super) fn folder(reader: &mut Reader<'_>, node: &Node, home: bool) -> Option<String> {
    reader.text(node, |text| {
        let rooted = text.starts_with('/') || home && (text == "~" || text.starts_with("~/"));
        if !rooted {
            let also = if home { " or `~/`" } else { "" };
            Err(Remark::new(format!("{} must begin with `/`{also}", quote_shortened(text))))
        } else if text.split('/').any(|part| part == "..") {
            Err(Remark::new("a folder is named without `..`"))
        } else if text.chars().any(char::is_control) || text.len() > 1024 {
            Err(Remark::new("a folder's path has at most 1024 bytes and no control characters"))
        } else {
            Ok(text.to_owned())
        }
    })
}

/// The id that the file's name promises, or what is wrong with it.
pub(super) fn id_of_file<T>(reader: &mut Reader<'_>, node: &Node, kind: &str) -> Option<T>
where
    T: FromStr<Err: Display> + AsRef<str>,
{
    let file_name = reader.file_name();
    let shown = quote_shortened(file_name);
    reader.text(node, |text| {
        let id: T = text.parse().map_err(from_error)?;
        match file_name.strip_suffix(".yaml") {
            Some(stem) if stem == id.as_ref() => Ok(id),
            Some(stem) if stem.starts_with(kind) => {
                let message = format!("the id is {}, but the file is called {shown}", quote_shortened(text));
                Err(Remark::new(message)
                    .hint(format!("call the file `{text}.yaml`, or the id {}", quote_shortened(stem))))
            }
            _ => {
                let message = format!("{shown} cannot be the name of this file");
                Err(Remark::new(message).hint(format!("call it `{text}.yaml`")))
            }
        }
    })
}
