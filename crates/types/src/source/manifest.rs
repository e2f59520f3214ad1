//! The keys of a manifest.

use super::Fault;
use super::reader::{Fields, Reader};
use super::sheet::Remark;
use super::tree::Node;
use super::values::{check_name, free_text, from_error, id_of_file, isolation, line, time_span, variable, word};
use crate::{
    Capabilities, Example, Handler, HandlerFault, Manifest, PassedEnvironment, PythonEnvironment, SecretDeclaration,
    SnapshotCapability, Timeouts, Verb,
};
use serde_json::Value;

/// The verbs that every extension has, so that no manifest declares them.
const IMPLIED_VERBS: [&str; 3] = ["provision", "wait_ready", "teardown"];
const MOST_CALLS_AT_ONCE: u64 = 1024;

/// Reads a manifest. Its `id` must be what the file is called: `ext.<name>.yaml`.
pub fn parse_manifest(file_name: &str, text: &str) -> Result<Manifest, Vec<Fault>> {
    Reader::run(file_name, text, |reader, root| manifest(reader.fields(root)?))
}

fn manifest(mut fields: Fields<'_, '_, '_>) -> Option<Manifest> {
    let id = fields.required("id", |reader, node| id_of_file(reader, node, "ext."));
    let title = fields.required("title", line);
    let handler = fields.required("handler", handler);
    let capabilities = fields.required("capabilities", capabilities);
    let python = fields.optional("python", python);
    check_python(&mut fields, handler.as_ref());
    let manifest = Manifest {
        config: fields.optional("config", Reader::object).unwrap_or_default(),
        version: fields.optional("version", line),
        lifecycle: fields.optional("lifecycle", word).unwrap_or_default(),
        concurrency: fields.optional("concurrency", concurrency),
        config_schema: fields.optional("config_schema", schema),
        inputs_schema: fields.optional("inputs_schema", schema),
        options_schema: fields.optional("options_schema", schema),
        secrets: fields
            .optional("secrets", |reader, node| reader.dictionary(node, check_name, secret))
            .unwrap_or_default(),
        timeouts: fields.optional("timeouts", timeouts).unwrap_or_default(),
        env: fields.optional("env", passed_environment),
        python,
        examples: fields.optional("examples", |reader, node| reader.list(node, example)).unwrap_or_default(),
        // Last, since `?` ends the reading: by now every key was read and every fault reported.
        id: id?,
        title: title?,
        handler: handler?,
        capabilities: capabilities?,
    };
    Some(manifest)
}

fn handler(reader: &mut Reader<'_>, node: &Node) -> Option<Handler> {
    reader.text(node, |text| {
        Handler::parse(text).map_err(|fault: HandlerFault| {
            let remark = from_error(&fault).hint(format!("a handler is {}", Handler::FORMS));
            match fault.nearest {
                Some(prefix) => remark.meant(&format!("{prefix}:")),
                None => remark,
            }
        })
    })
}

fn check_python(fields: &mut Fields<'_, '_, '_>, handler: Option<&Handler>) {
    let other = matches!(handler, Some(Handler::Builtin(_) | Handler::Exec(_)));
    if let Some(entry) = fields.entry("python").filter(|_| other) {
        let remark = Remark::new("`python` goes with a Python handler only");
        fields.reader.sheet.report(entry.key_place, remark);
    }
}

fn capabilities(reader: &mut Reader<'_>, node: &Node) -> Option<Capabilities> {
    let mut fields = reader.fields(node)?;
    let isolation_levels = fields.required("isolation_levels", |reader, node| reader.distinct(node, isolation));
    let pricing_model = fields.required("pricing_model", word);
    Some(Capabilities {
        verbs: fields.optional("verbs", |reader, node| reader.list(node, verb)).unwrap_or_default(),
        features: fields.optional("features", |reader, node| reader.list(node, word)).unwrap_or_default(),
        snapshot: fields.optional("snapshot", snapshot),
        isolation_levels: isolation_levels?,
        pricing_model: pricing_model?,
    })
}

fn verb(reader: &mut Reader<'_>, node: &Node) -> Option<Verb> {
    if let Value::String(text) = node.to_json()
        && IMPLIED_VERBS.contains(&text.as_str())
    {
        let remark = Remark::new(format!("every extension has `{text}`")).hint("list optional verbs only");
        return reader.refuse(node, remark);
    }
    word(reader, node)
}

fn snapshot(reader: &mut Reader<'_>, node: &Node) -> Option<SnapshotCapability> {
    let mut fields = reader.fields(node)?;
    let kinds = fields.required("kinds", |reader, node| reader.distinct(node, word));
    Some(SnapshotCapability { kinds: kinds? })
}

fn concurrency(reader: &mut Reader<'_>, node: &Node) -> Option<u32> {
    let count = reader.count(node, MOST_CALLS_AT_ONCE)?;
    u32::try_from(count).ok()
}

fn schema(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    reader.object(node).map(Value::Object)
}

fn secret(reader: &mut Reader<'_>, node: &Node) -> Option<SecretDeclaration> {
    let mut fields = reader.fields(node)?;
    Some(SecretDeclaration {
        required: fields.optional("required", Reader::flag).unwrap_or_default(),
        verbs: fields.optional("verbs", |reader, node| reader.list(node, any_verb)).unwrap_or_default(),
    })
}

fn any_verb(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.text(node, |text| {
        let words = || IMPLIED_VERBS.iter().chain(Verb::WORDS).copied();
        if words().any(|word| word == text) {
            Ok(text.to_owned())
        } else {
            Err(Remark::new(format!("unknown verb {}", crate::id::quote_shortened(text))).near(text, words()))
        }
    })
}

fn timeouts(reader: &mut Reader<'_>, node: &Node) -> Option<Timeouts> {
    let mut fields = reader.fields(node)?;
    Some(Timeouts {
        provision: fields.optional("provision", time_span),
        wait_ready: fields.optional("wait_ready", time_span),
        teardown: fields.optional("teardown", time_span),
    })
}

fn passed_environment(reader: &mut Reader<'_>, node: &Node) -> Option<PassedEnvironment> {
    let mut fields = reader.fields(node)?;
    let pass = fields.required("pass", |reader, node| reader.list(node, variable));
    Some(PassedEnvironment { pass: pass? })
}

fn python(reader: &mut Reader<'_>, node: &Node) -> Option<PythonEnvironment> {
    let mut fields = reader.fields(node)?;
    Some(PythonEnvironment {
        interpreter: fields.optional("interpreter", line),
        requirements: fields.optional("requirements", |reader, node| reader.list(node, free_text)).unwrap_or_default(),
    })
}

fn example(reader: &mut Reader<'_>, node: &Node) -> Option<Example> {
    let mut fields = reader.fields(node)?;
    let inputs = fields.required("inputs", Reader::object);
    Some(Example { inputs: inputs? })
}
