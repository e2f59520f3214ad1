//! What a compose file has its tool read, before the tool reads it: the tool follows links and leaves the project, and puts
//! what it finds into containers' environment.

use super::document::{is_nothing, joined, parent};
use super::failure::precondition;
use super::normalise::is_address;
use super::policy::{Mention, Mentioned};
use sandboxer_types::source::parse_foreign;
use sandboxer_types::{Failure, Object};
use serde_json::Value;

/// What one compose file refers to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct References {
    /// More compose files, which refer to others in turn.
    pub(super) files: Vec<Mention>,
    /// Files of variables and labels.
    pub(super) read: Vec<Mention>,
    /// What cannot be told beforehand: places, and what stands there.
    pub(super) unclear: Vec<(String, String)>,
}

/// Reads what a compose file refers to. `path` is where it really is.
///
/// # Errors
///
/// It cannot be read the way every reader of YAML would.
pub(super) fn of(path: &str, contents: &[u8]) -> Result<References, Failure> {
    let text = std::str::from_utf8(contents).map_err(|_| precondition(format!("`{path}` is not UTF-8")))?;
    let value = parse_foreign(path, text).map_err(|faults| {
        let fault = faults.first().map_or_else(|| "it cannot be read".to_owned(), ToString::to_string);
        precondition(format!("the compose file cannot be read: {fault}"))
    })?;
    let mut scan = Scan { directory: parent(path), path, references: References::default() };
    if let Value::Object(document) = merged(value, DEPTH) {
        scan.document(&document);
    }
    Ok(scan.references)
}

struct Scan<'a> {
    path: &'a str,
    directory: &'a str,
    references: References,
}

/// Merges within merges deeper than this are not followed, and stand as they are: no tool knows such a key.
const DEPTH: usize = 64;

/// A value in which merges have been made, wherever they stand: what stands beside a merge wins, and then what is merged
/// first.
fn merged(value: Value, depth: usize) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| merged(item, depth)).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(key, value)| (key, merged(value, depth))).collect();
            Value::Object(with_its_merges(members, depth))
        }
        other => other,
    }
}

fn with_its_merges(mut members: Object, depth: usize) -> Object {
    let parts = match members.get("<<") {
        Some(Value::Array(parts)) if depth > 0 => parts.clone(),
        Some(one @ Value::Object(_)) if depth > 0 => vec![one.clone()],
        _ => return members,
    };
    members.remove("<<");
    for part in parts {
        if let Value::Object(part) = merged(part, depth - 1) {
            for (key, value) in part {
                members.entry(key).or_insert(value);
            }
        }
    }
    members
}

/// A path, or a list of them.
fn each_path(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

impl Scan<'_> {
    fn document(&mut self, document: &Object) {
        for include in document.get("include").into_iter().flat_map(each_path) {
            self.include(include);
        }
        // In the oldest form, services stand at the top.
        let services = document.get("services").and_then(Value::as_object).unwrap_or(document);
        for (name, service) in services {
            self.service(&format!("services.{name}"), service);
        }
    }

    /// What is included begins its paths at the folder of its first file. Another folder cannot be followed here: it, and
    /// files that are laid over the first one, are told as unclear.
    fn include(&mut self, include: &Value) {
        let base = include.get("project_directory").filter(|base| !is_nothing(Some(base)));
        if let Some(base) = base {
            self.unclear("include.project_directory", base);
        }
        let paths = each_path(include.get("path").unwrap_or(include));
        for path in &paths {
            self.refer("include", path, true);
        }
        if paths.len() > 1 {
            self.unclear("include.path", include.get("path").unwrap_or(include));
        }
        for file in include.get("env_file").into_iter().flat_map(each_path) {
            self.refer("include.env_file", file, false);
        }
    }

    fn service(&mut self, at: &str, service: &Value) {
        if let Some(file) = service.get("extends").and_then(|extends| extends.get("file")) {
            self.refer(&format!("{at}.extends.file"), file, true);
        }
        for key in ["env_file", "label_file"] {
            for file in service.get(key).into_iter().flat_map(each_path) {
                self.refer(&format!("{at}.{key}"), file.get("path").unwrap_or(file), false);
            }
        }
    }

    fn unclear(&mut self, at: &str, value: &Value) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.references.unclear.push((format!("{}: {at}", self.path), value));
    }

    fn refer(&mut self, at: &str, path: &Value, is_compose: bool) {
        let Some(text) = path.as_str() else {
            if !path.is_null() {
                self.unclear(at, path);
            }
            return;
        };
        if text.contains(['$', '~', '\0']) || is_address(text) {
            return self.unclear(at, path);
        }
        let path = joined(self.directory, text);
        let mention = Mention { at: at.to_owned(), path, what: Mentioned::Read };
        if is_compose { self.references.files.push(mention) } else { self.references.read.push(mention) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(mentions: &[Mention]) -> Vec<&str> {
        mentions.iter().map(|mention| mention.path.as_str()).collect()
    }

    #[test]
    fn everything_that_is_read_is_found_also_behind_merges() {
        let text = "
x-base: &base {env_file: [../secret.env, {path: b.env, required: false}]}
include: [a/one.yaml, {path: [two.yaml], env_file: c.env}]
services:
  web: {<<: *base, image: x, label_file: /etc/labels}
  db: {extends: {file: base.yaml, service: db}}
  own: {extends: {service: web}, env_file: d.env}
";
        let references = of("/p/w/compose.yaml", text.as_bytes()).expect("readable");
        assert_eq!(paths(&references.files), ["/p/w/a/one.yaml", "/p/w/two.yaml", "/p/w/base.yaml"]);
        let expected = ["/p/w/c.env", "/p/secret.env", "/p/w/b.env", "/etc/labels", "/p/w/d.env"];
        assert_eq!(paths(&references.read), expected);
        assert!(references.unclear.is_empty());
    }

    #[test]
    fn a_merge_hides_nothing_wherever_it_stands() {
        let text = "
x-in: &in {env_file: /root/a.env, project_directory: ../..}
x-web: &web {web: {env_file: /root/b.env, extends: {<<: &base {file: ../base.yaml}, service: x}}}
x-more: &more {<<: *web, db: {label_file: /root/c}}
x-all: &all {include: [{path: one.yaml, <<: *in}]}
<<: *all
services:
  <<: [*more, {own: {env_file: [{<<: {path: /root/d.env}}]}}]
";
        let references = of("/p/w/compose.yaml", text.as_bytes()).expect("readable");
        assert_eq!(paths(&references.files), ["/p/w/one.yaml", "/p/base.yaml"]);
        let mut read = paths(&references.read);
        read.sort_unstable();
        assert_eq!(read, ["/root/a.env", "/root/b.env", "/root/c", "/root/d.env"]);
        assert_eq!(references.unclear.len(), 1, "{:?}", references.unclear);
    }

    #[test]
    fn a_folder_that_cannot_be_followed_is_said() {
        for include in ["{path: a/x.yaml, project_directory: .}", "{path: [a/x.yaml, b/c/y.yaml]}"] {
            let text = format!("include: [{include}]\n");
            assert_eq!(of("/p/compose.yaml", text.as_bytes()).expect("readable").unclear.len(), 1, "{include}");
        }
        let old = of("/p/compose.yaml", b"web: {env_file: /root/x.env}\n").expect("readable");
        assert_eq!(paths(&old.read), ["/root/x.env"]);
    }

    #[test]
    fn what_cannot_be_told_beforehand_is_said() {
        let text = "include: ['oci://x/y']\nservices: {web: {env_file: '${HOME}/x'}}\n";
        assert_eq!(of("/p/compose.yaml", text.as_bytes()).expect("readable").unclear.len(), 2);
        of("/p/compose.yaml", b"a: 1\na: 2\n").expect_err("two readers differ");
        of("/p/compose.yaml", b"\xff").expect_err("no text");
    }
}
