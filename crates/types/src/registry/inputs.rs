//! What a caller of a profile may set, as a JSON Schema of its own.

use super::holds_private;
use crate::{Object, ProfileInputs};
use serde_json::{Value, json};

/// Where a schema keeps what its parts refer to.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// The inputs of `schema` that a profile lets a caller set, each as the extension describes it, with the profile's
/// default. It never refuses what `sandboxer` accepts; which of several inputs go together, `schema` alone says.
pub(super) fn settable(schema: &Value, inputs: &ProfileInputs) -> Value {
    let known = schema.get("properties").and_then(Value::as_object);
    let is_settable = |name: &str| inputs.allow.as_ref().is_none_or(|allowed| allowed.iter().any(|one| one == name));
    let mut properties = Object::new();
    for (name, property) in known.into_iter().flatten().filter(|(name, _)| is_settable(name)) {
        properties.insert(name.clone(), with_default(property, inputs.defaults.get(name)));
    }
    // What the extension takes without describing it.
    for name in inputs.allow.iter().flatten().filter(|name| !properties.contains_key(*name)).collect::<Vec<_>>() {
        properties.insert(name.clone(), with_default(&json!({}), inputs.defaults.get(name)));
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter(|name| {
        name.as_str().is_some_and(|name| properties.contains_key(name) && !inputs.defaults.contains_key(name))
    });
    let required: Vec<Value> = required.cloned().collect();
    let mut made = Object::from_iter([
        ("type".to_owned(), json!("object")),
        ("properties".to_owned(), Value::Object(properties)),
        ("required".to_owned(), Value::Array(required)),
    ]);
    match others(schema) {
        _ if inputs.allow.is_some() => drop(made.insert("additionalProperties".to_owned(), json!(false))),
        others => made.extend(others),
    }
    for key in DEFINITIONS {
        made.extend(schema.get(key).map(|definitions| (key.to_owned(), definitions.clone())));
    }
    Value::Object(made)
}

/// What holds for inputs that a schema does not name. One that names some and is silent about others takes no others.
fn others(schema: &Value) -> Object {
    let keys = ["additionalProperties", "patternProperties"];
    let said: Object = keys.iter().filter_map(|key| Some(((*key).to_owned(), schema.get(key)?.clone()))).collect();
    if said.is_empty() && schema.get("properties").is_some() {
        return Object::from_iter([("additionalProperties".to_owned(), json!(false))]);
    }
    said
}

/// A default that names a place of one machine, or may bear a secret, is no one else's.
fn with_default(property: &Value, default: Option<&Value>) -> Value {
    match (property, default.filter(|value| !holds_private(value))) {
        (Value::Object(property), Some(value)) => {
            let mut property = property.clone();
            property.insert("default".to_owned(), value.clone());
            Value::Object(property)
        }
        (property, _) => property.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(value: Value) -> ProfileInputs {
        serde_json::from_value(value).expect("valid")
    }

    #[test]
    fn a_caller_sees_what_it_may_set_with_the_defaults() {
        let schema = json!({
            "type": "object", "required": ["vm", "repo", "other"],
            "properties": {"vm": {"type": "string"}, "repo": {"$ref": "#/$defs/repo"}, "other": {}, "size": true},
            "$defs": {"repo": {"type": "string"}},
        });
        let some =
            inputs(json!({"defaults": {"vm": "build", "repo": "/home/ada/app"}, "allow": ["vm", "repo", "extra"]}));
        let expected = json!({
            "type": "object",
            "properties": {"vm": {"type": "string", "default": "build"}, "repo": {"$ref": "#/$defs/repo"}, "extra": {}},
            "required": [],
            "additionalProperties": false,
            "$defs": {"repo": {"type": "string"}},
        });
        assert_eq!(settable(&schema, &some), expected);
        let all = settable(&schema, &inputs(json!({})));
        assert_eq!(all["required"], json!(["vm", "repo", "other"]));
        assert_eq!(all["additionalProperties"], false);
        assert_eq!(all["properties"]["size"], true);
    }

    #[test]
    fn an_extension_that_takes_anything_leaves_its_profiles_open() {
        let open = settable(&json!({}), &inputs(json!({})));
        assert_eq!(open, json!({"type": "object", "properties": {}, "required": []}));
        let texts = json!({"properties": {"a": {}}, "additionalProperties": {"type": "string"}});
        assert_eq!(settable(&texts, &inputs(json!({})))["additionalProperties"], json!({"type": "string"}));
        assert_eq!(settable(&texts, &inputs(json!({"allow": []})))["properties"], json!({}));
    }
}
