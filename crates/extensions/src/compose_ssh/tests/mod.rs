//! What is decided without a machine, and a whole life on a machine that exists only in memory.

mod lifecycle;
mod normalising;
mod policing;
mod running;

use super::engine::Tool;
use super::normalise::normalise;
use sandboxer_types::Object;
use sandboxer_types::source::parse_foreign;
use serde_json::Value;

/// A compose file as `podman-compose` resolves it: as it stands.
fn normalised(text: &str) -> Object {
    let value = parse_foreign("compose.yaml", text).unwrap_or_else(|faults| panic!("{faults:?}"));
    normalise(value, Tool::Standalone, "/p/work").unwrap_or_else(|failure| panic!("{failure:?}"))
}

fn at<'a>(document: &'a Object, path: &str) -> &'a Value {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let value = document.get(first).unwrap_or(&Value::Null);
    if rest.is_empty() { value } else { value.pointer(&format!("/{rest}")).unwrap_or(&Value::Null) }
}
