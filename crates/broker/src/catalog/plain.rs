//! Plain schemas, judged without the validator: it takes a millisecond to wake up, which every `run` would wait for.
//!
//! What is accepted here the validator accepts too. What is not, or is not plain, is the validator's to judge and to put
//! into words.

use serde_json::Value;

/// Whether a schema is valid and uses nothing but the few keywords that [`accepts`] knows.
pub(super) fn is_plain(schema: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return false };
    schema.iter().all(|(keyword, value)| match keyword.as_str() {
        "type" => value.as_str().is_some_and(|name| accepts_type(name, &Value::Null).is_some()),
        "enum" => value.as_array().is_some_and(|options| options.iter().all(Value::is_string)),
        "properties" => value.as_object().is_some_and(|properties| properties.values().all(is_plain)),
        "required" => value.as_array().is_some_and(|names| are_distinct_names(names)),
        "additionalProperties" => value.is_boolean(),
        "minLength" => value.is_u64(),
        "title" | "description" => value.is_string(),
        _ => false,
    })
}

fn are_distinct_names(names: &[Value]) -> bool {
    names.iter().enumerate().all(|(index, name)| name.is_string() && !names[..index].contains(name))
}

/// Whether a plain schema accepts a value.
pub(super) fn accepts(schema: &Value, instance: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return false };
    let (object, properties) = (instance.as_object(), schema.get("properties").and_then(Value::as_object));
    schema.iter().all(|(keyword, value)| match (keyword.as_str(), value) {
        ("type", Value::String(name)) => accepts_type(name, instance) == Some(true),
        ("enum", Value::Array(options)) => options.contains(instance),
        ("properties", Value::Object(properties)) => object.is_none_or(|object| {
            properties.iter().all(|(name, schema)| object.get(name).is_none_or(|value| accepts(schema, value)))
        }),
        ("required", Value::Array(names)) => object
            .is_none_or(|object| names.iter().all(|name| name.as_str().is_some_and(|name| object.contains_key(name)))),
        ("additionalProperties", Value::Bool(false)) => object.is_none_or(|object| {
            object.keys().all(|name| properties.is_some_and(|properties| properties.contains_key(name)))
        }),
        ("minLength", shortest) => instance
            .as_str()
            .is_none_or(|text| shortest.as_u64().is_some_and(|shortest| text.chars().count() as u64 >= shortest)),
        ("additionalProperties", Value::Bool(true)) | ("title" | "description", _) => true,
        _ => false,
    })
}

/// Whether a type of this name accepts a value; `None` when there is no such type.
fn accepts_type(name: &str, instance: &Value) -> Option<bool> {
    Some(match name {
        "string" => instance.is_string(),
        "object" => instance.is_object(),
        "array" => instance.is_array(),
        "boolean" => instance.is_boolean(),
        "integer" => instance.is_i64() || instance.is_u64(),
        "number" => instance.is_number(),
        "null" => instance.is_null(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn schemas() -> impl Strategy<Value = Value> {
        let names = || prop::sample::subsequence(vec!["a", "b", "c"], 0..3);
        let leaf = prop_oneof![
            Just(json!({})),
            prop::sample::select(vec!["string", "integer", "number", "boolean", "null", "array", "objekt"])
                .prop_map(|name| json!({"type": name})),
            (0_i64..3).prop_map(|shortest| json!({"minLength": shortest - 1, "description": "text"})),
            prop::sample::subsequence(vec!["x", "yy", ""], 0..3).prop_map(|options| json!({"enum": options})),
            Just(json!({"pattern": "^x"})),
            Just(json!(true)),
        ];
        leaf.prop_recursive(3, 12, 3, move |inner| {
            (names(), names(), prop::collection::vec(inner, 3), any::<Option<bool>>()).prop_map(
                |(names, required, schemas, additional)| {
                    let properties: serde_json::Map<String, Value> =
                        names.into_iter().map(str::to_owned).zip(schemas).collect();
                    let mut schema = json!({"type": "object", "properties": properties, "required": required});
                    if let Some(additional) = additional {
                        schema["additionalProperties"] = json!(additional);
                    }
                    schema
                },
            )
        })
    }

    fn instances() -> impl Strategy<Value = Value> {
        let leaf = prop::sample::select(vec![
            json!("x"),
            json!("yy"),
            json!(""),
            json!("äö"),
            json!(1),
            json!(1.5),
            json!(2.0),
            json!(true),
            json!(null),
            json!([]),
        ]);
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop::collection::hash_map(prop::sample::select(vec!["a", "b", "c", "d"]), inner, 0..4)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_is_accepted_here_the_validator_accepts_too(schema in schemas(), instance in instances()) {
            let validator = crate::catalog::schema::validator(&schema);
            if is_plain(&schema) {
                let validator = validator.expect("a plain schema is valid");
                let accepted = accepts(&schema, &instance);
                prop_assert!(!accepted || validator.is_valid(&instance));
                // Only of whole numbers written with a fraction do the two disagree, and then the validator decides.
                prop_assert!(accepted || !validator.is_valid(&instance) || instance.to_string().contains("2.0"));
            }
        }
    }

    #[test]
    fn what_is_compiled_in_needs_no_validator() {
        let text = include_str!("../../../../extensions/ext.local.yaml");
        let manifest = sandboxer_types::source::parse_manifest("ext.local.yaml", text).expect("valid");
        assert!(manifest.inputs_schema.as_ref().is_some_and(is_plain));
        assert!(manifest.options_schema.as_ref().is_some_and(is_plain));
    }
}
