//! The keys of a test plan.

use super::Fault;
use super::reader::Reader;
use super::sheet::Remark;
use super::tree::Node;
use super::values::{free_text, from_error};
use crate::{Outage, TestPlan};

/// Reads a test plan.
pub fn parse_test_plan(file_name: &str, text: &str) -> Result<TestPlan, Vec<Fault>> {
    Reader::run(file_name, text, |reader, root| {
        let mut fields = reader.fields(root)?;
        Some(TestPlan {
            profile: fields
                .optional("profile", |reader, node| reader.text(node, |text| text.parse().map_err(from_error))),
            inputs: fields.optional("inputs", Reader::object).unwrap_or_default(),
            other_inputs: fields.optional("other_inputs", Reader::object),
            host: fields.optional("host", |reader, node| reader.text(node, |text| text.parse().map_err(from_error))),
            inventory: fields.optional("inventory", command).unwrap_or_default(),
            outage: fields.optional("outage", outage),
            stop: fields.optional("stop", command).unwrap_or_default(),
        })
    })
}

fn outage(reader: &mut Reader<'_>, node: &Node) -> Option<Outage> {
    let mut fields = reader.fields(node)?;
    let (begin, end) = (fields.required("begin", command), fields.required("end", command));
    Some(Outage { begin: begin?, end: end? })
}

fn command(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let words = reader.list(node, free_text)?;
    if words.first().is_none_or(String::is_empty) {
        return reader
            .refuse(node, Remark::new("a command has at least its program").hint("for example `[ls, -A, boxes]`"));
    }
    Some(words)
}
