//! The files that people write: manifests, profiles and test plans, as `crates/types/src/source` reads them.

use super::{Document, Part, each_schema, generator, part_of};
use sandboxer_types::{Manifest, Profile, TestPlan};
use schemars::JsonSchema;
use schemars::generate::Contract;
use serde_json::{Value, json};

pub(super) fn documents() -> [Document; 3] {
    [manifest(), profile(), test_plan()]
}

fn manifest() -> Document {
    let about = "An extension of sand-boxer: `extensions/ext.<name>.yaml`.";
    let mut document = document::<Manifest>("manifest", "sand-boxer extension", about, &[]);
    // The reader takes offence at the key, whether or not it has a value.
    let other = json!({"properties": {"handler": {"pattern": "^(builtin|exec):"}}, "required": ["handler"]});
    document.body.insert("if".to_owned(), other);
    document.body.insert("then".to_owned(), json!({"properties": {"python": false}}));
    document
}

fn profile() -> Document {
    let about = "A profile of sand-boxer: `profiles/profile.<slug>.yaml`, what a sandbox of that name is.";
    let mut document = document::<Profile>("profile", "sand-boxer profile", about, &["extension", "candidates"]);
    document.body.insert("oneOf".to_owned(), json!([{"required": ["extension"]}, {"required": ["candidates"]}]));
    document
}

fn test_plan() -> Document {
    let about = "How `sandboxer ext test` tests an extension: `conformance/ext.<name>.yaml`.";
    document::<TestPlan>("test-plan", "sand-boxer test plan", about, &[])
}

/// The schema of a file whose keys may all stand without a value, but for those required and for `firm` ones.
fn document<T: JsonSchema>(name: &str, title: &str, description: &str, firm: &[&str]) -> Document {
    let mut generator = generator(Contract::Deserialize);
    let mut body = Value::Object(part_of::<T>(&mut generator));
    let mut definitions = Value::Object(generator.take_definitions(true));
    each_schema(&mut body, &mut |part| allow_nothing(part, firm));
    for definition in definitions.as_object_mut().into_iter().flat_map(|named| named.values_mut()) {
        each_schema(definition, &mut |part| allow_nothing(part, firm));
    }
    let part = |value| if let Value::Object(part) = value { part } else { Part::new() };
    Document {
        name: name.to_owned(),
        title: title.to_owned(),
        description: description.to_owned(),
        body: part(body),
        definitions: part(definitions),
    }
}

/// In a file, a key without a value counts as absent.
fn allow_nothing(part: &mut Part, firm: &[&str]) {
    if part.get("additionalProperties") != Some(&Value::Bool(false)) {
        return;
    }
    let required = part.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|other| other == name));
    let Some(Value::Object(members)) = part.get_mut("properties") else { return };
    for (name, member) in members.iter_mut().filter(|(name, _)| !is_required(name) && !firm.contains(&name.as_str())) {
        match member {
            Value::Object(member) => or_null(member),
            other => panic!("`{name}` is {other}, and no schema that can be widened"),
        }
    }
}

fn or_null(member: &mut Part) {
    let nothing = json!({"type": "null"});
    if let Some(reference) = member.remove("$ref") {
        member.insert("anyOf".to_owned(), json!([{"$ref": reference}, nothing]));
    } else if let Some(Value::Array(forms)) = member.get_mut("anyOf") {
        if !forms.contains(&nothing) {
            forms.push(nothing);
        }
    } else if let Some(kinds) = member.get_mut("type") {
        match kinds {
            Value::Array(kinds) if kinds.iter().any(|kind| kind == "null") => {}
            Value::Array(kinds) => kinds.push(json!("null")),
            kind => *kind = json!([kind.take(), "null"]),
        }
    }
}
