//! YAML that other programs write, of which only the values matter.

use super::Fault;
use super::sheet::Sheet;
use super::tree::{self, Manner};
use serde_json::Value;

/// Reads the YAML of another program. Its tags are passed over, and a merge stands under the key `<<`, unmerged; what
/// aliases repeat is repeated, and everything is bounded as in files of our own.
///
/// # Errors
///
/// What is no YAML, a second document, a key that is set twice, and what is too large or nested too deeply.
pub fn parse_foreign(file_name: &str, text: &str) -> Result<Value, Vec<Fault>> {
    let mut sheet = Sheet::new(file_name, text);
    let value = tree::parse_as(&mut sheet, Manner::Foreign).map(|root| root.to_json());
    sheet.conclude(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tags_and_merges_of_others_stand_as_they_are() {
        let text = "base: &base {a: 1}\nnext: {<<: *base, b: !reset null, c: !!str 12}\n";
        let expected = json!({"base": {"a": 1}, "next": {"<<": {"a": 1}, "b": null, "c": 12}});
        assert_eq!(parse_foreign("compose.yaml", text), Ok(expected));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_a_fault() {
        for text in ["a: 1\na: 2\n", "a: 1\n---\nb: 2\n", "[1, 2", "{[1]: 2}", ""] {
            parse_foreign("compose.yaml", text).expect_err(text);
        }
    }
}
