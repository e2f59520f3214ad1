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
    if let Value::Object(document) = &value {
        scan.document(document);
    }
    Ok(scan.references)
}

struct Scan<'a> {
    path: &'a str,
    directory: &'a str,
    references: References,
}

/// The values of `key` in a mapping and in whatever is merged into it.
fn values<'a>(of: &'a Value, key: &str, depth: usize) -> Vec<&'a Value> {
    let merged = match of.get("<<") {
        Some(Value::Array(several)) => several.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let inside = merged.into_iter().filter(|_| depth > 0).flat_map(|merged| values(merged, key, depth - 1));
    of.get(key).into_iter().chain(inside).collect()
}

/// Merges within merges deeper than this are not followed.
const DEPTH: usize = 16;

/// A path, or a list of them.
fn each_path(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

impl Scan<'_> {
    fn document(&mut self, document: &Object) {
        let document = Value::Object(document.clone());
        for include in values(&document, "include", DEPTH).into_iter().flat_map(each_path) {
            self.include(include);
        }
        for services in values(&document, "services", DEPTH) {
            let merged = values(services, "<<", 0);
            for services in std::iter::once(services).chain(merged) {
                for (name, service) in services.as_object().into_iter().flatten() {
                    self.service(&format!("services.{name}"), service);
                }
            }
        }
    }

    fn include(&mut self, include: &Value) {
        let base = include.get("project_directory").filter(|base| !is_nothing(Some(base)));
        if let Some(base) = base {
            self.refer("include.project_directory", base, false);
        }
        let paths = include.get("path").unwrap_or(include);
        for path in each_path(paths) {
            self.refer("include", path, true);
        }
        for file in include.get("env_file").into_iter().flat_map(each_path) {
            self.refer("include.env_file", file, false);
        }
    }

    fn service(&mut self, at: &str, service: &Value) {
        for extends in values(service, "extends", DEPTH) {
            if let Some(file) = extends.get("file") {
                self.refer(&format!("{at}.extends.file"), file, true);
            }
        }
        for key in ["env_file", "label_file"] {
            for file in values(service, key, DEPTH).into_iter().flat_map(each_path) {
                self.refer(&format!("{at}.{key}"), file.get("path").unwrap_or(file), false);
            }
        }
    }

    fn refer(&mut self, at: &str, path: &Value, is_compose: bool) {
        let Some(text) = path.as_str() else {
            if !path.is_null() {
                self.references.unclear.push((at.to_owned(), path.to_string()));
            }
            return;
        };
        if text.contains(['$', '~', '\0']) || is_address(text) {
            self.references.unclear.push((format!("{}: {at}", self.path), text.to_owned()));
            return;
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
include: [a/one.yaml, {path: [two.yaml], env_file: c.env, project_directory: ../..}]
services:
  web: {<<: *base, image: x, label_file: /etc/labels}
  db: {extends: {file: base.yaml, service: db}}
  own: {extends: {service: web}, env_file: d.env}
";
        let references = of("/p/w/compose.yaml", text.as_bytes()).expect("readable");
        assert_eq!(paths(&references.files), ["/p/w/a/one.yaml", "/p/w/two.yaml", "/p/w/base.yaml"]);
        let expected = ["/", "/p/w/c.env", "/p/secret.env", "/p/w/b.env", "/etc/labels", "/p/w/d.env"];
        assert_eq!(paths(&references.read), expected);
        assert!(references.unclear.is_empty());
    }

    #[test]
    fn what_cannot_be_told_beforehand_is_said() {
        let text = "include: ['oci://x/y']\nservices: {web: {env_file: '${HOME}/x'}}\n";
        assert_eq!(of("/p/compose.yaml", text.as_bytes()).expect("readable").unclear.len(), 2);
        of("/p/compose.yaml", b"a: 1\na: 2\n").expect_err("two readers differ");
        of("/p/compose.yaml", b"\xff").expect_err("no text");
    }
}
