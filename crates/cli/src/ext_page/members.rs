//! The members that a JSON Schema describes, as rows of a table.

use super::markdown::{code, prose, table};
use serde_json::Value;
use std::iter::once;

/// How deep members of members are followed; schemas may lead back to themselves.
const DEEPEST: usize = 6;

/// One member, or member of a member.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    path: String,
    of_type: String,
    is_required: bool,
    default: Option<String>,
    description: String,
}

/// A table of all members, and a sentence on others. Nothing when the schema describes none.
pub(super) fn members_table(schema: Option<&Value>) -> Option<String> {
    let schema = schema?;
    let mut members = Vec::new();
    collect(schema, schema, "", DEEPEST, &mut members);
    let others = match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => "Nothing else is taken.",
        _ => "Others are passed on.",
    };
    if members.is_empty() {
        return (others == "Nothing else is taken.").then(|| "There are none.\n".to_owned());
    }
    let rows = members.into_iter().map(|member| {
        let required = if member.is_required { "yes" } else { "" };
        let default = member.default.map(|default| code(&default)).unwrap_or_default();
        [code(&member.path), prose(&member.of_type), required.to_owned(), default, prose(&member.description)]
    });
    Some(format!("{}\n{others}\n", table(["name", "type", "required", "default", "description"], rows)))
}

/// Adds the members of `schema`, whose own paths begin with `before`.
fn collect(root: &Value, schema: &Value, before: &str, depth: usize, members: &mut Vec<Member>) {
    let schema = resolved(root, schema);
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{before}{name}");
        members.push(described(root, member, path.clone(), required.contains(&name.as_str())));
        collect_below(root, member, &path, depth, members);
    }
    if let Some(member @ Value::Object(_)) = schema.get("additionalProperties") {
        let path = format!("{before}*");
        members.push(described(root, member, path.clone(), false));
        collect_below(root, member, &path, depth, members);
    }
}

/// Adds what is within a member: of an object, of a list's entries, of each of several forms.
fn collect_below(root: &Value, schema: &Value, path: &str, depth: usize, members: &mut Vec<Member>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for form in once(resolved(root, schema)).chain(forms(root, schema)) {
        collect(root, form, &format!("{path}."), depth, members);
        if let Some(entries) = form.get("items") {
            collect_below(root, entries, &format!("{path}[]"), depth, members);
        }
    }
}

fn described(root: &Value, schema: &Value, path: String, is_required: bool) -> Member {
    let schema = resolved(root, schema);
    let text = |name| schema.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Member {
        path,
        of_type: type_of(root, schema, DEEPEST),
        is_required,
        default: schema.get("default").map(ToString::to_string),
        description: text("description"),
    }
}

/// What a schema refers to, where that is in the same document.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = |schema: &Value| schema.get("$ref")?.as_str()?.strip_prefix('#').and_then(|path| root.pointer(path));
    let mut schema = schema;
    for _ in 0..DEEPEST {
        match target(schema) {
            Some(found) => schema = found,
            None => break,
        }
    }
    schema
}

/// The forms that something may have.
fn forms<'a>(root: &'a Value, schema: &'a Value) -> impl Iterator<Item = &'a Value> {
    let schema = resolved(root, schema);
    let several = ["anyOf", "oneOf"].into_iter().filter_map(|word| schema.get(word)?.as_array());
    several.flatten().map(|form| resolved(root, form))
}

/// The type in words: `integer, 1 to 8`.
fn type_of(root: &Value, schema: &Value, depth: usize) -> String {
    let Some(depth) = depth.checked_sub(1) else { return "anything".to_owned() };
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(|value| code(&value.to_string())).collect::<Vec<_>>().join(", ");
    }
    if let Some(value) = schema.get("const") {
        return code(&value.to_string());
    }
    let several: Vec<String> = forms(root, schema).map(|form| type_of(root, form, depth)).collect();
    if !several.is_empty() {
        return several.join(" or ");
    }
    let name = match schema.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => return "anything".to_owned(),
    };
    match (name.as_str(), schema.get("items")) {
        ("array", Some(entry)) => format!("list of {}", type_of(root, resolved(root, entry), depth)),
        _ => format!("{name}{}", range(schema)),
    }
}

fn range(schema: &Value) -> String {
    let bound = |name: &str| schema.get(name).filter(|bound| bound.is_number());
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", at least {least}"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(schema: &Value) -> Vec<(String, String)> {
        let mut members = Vec::new();
        collect(schema, schema, "", DEEPEST, &mut members);
        members.into_iter().map(|member| (member.path, member.of_type)).collect()
    }

    #[test]
    fn members_of_members_have_rows_of_their_own() {
        let schema = json!({
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 8},
                "disks": {"type": "array", "items": {"type": "object", "properties": {"path": {"type": "string"}}}},
                "machines": {"type": "object", "additionalProperties": {"$ref": "#/$defs/machine"}},
            },
            "$defs": {"machine": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"ssh": {"const": 1}}}]}},
        });
        let expected = [
            ("size", "integer, 1 to 8"),
            ("disks", "list of object"),
            ("disks[].path", "string"),
            ("machines", "object"),
            ("machines.*", "string or object"),
            ("machines.*.ssh", "`1`"),
        ];
        assert_eq!(rows(&schema), expected.map(|(path, of_type)| (path.to_owned(), of_type.to_owned())));
    }

    #[test]
    fn a_schema_that_leads_back_to_itself_has_an_end() {
        let schema = json!({"properties": {"next": {"$ref": "#"}, "loop": {"$ref": "#/$defs/l"}}, "$defs": {"l": {"$ref": "#/$defs/l"}}});
        assert!(rows(&schema).len() < 1000);
        assert_eq!(members_table(Some(&json!(true))), None);
    }
}
