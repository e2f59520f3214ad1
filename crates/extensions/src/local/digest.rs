//! Whether two requests ask for the same thing.

use sandboxer_sdk::Provision;
use serde_json::Value;

/// A digest of everything that decides what the sandbox is. The lease and the tether do not.
pub(crate) fn digest(request: &Provision) -> String {
    let mut text = String::new();
    for value in [serde_json::to_value(&request.profile).unwrap_or_default(), Value::Object(request.inputs.clone())] {
        write_sorted(&value, &mut text);
        text.push('\n');
    }
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// JSON whose members are sorted, so that their order does not matter.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            text.push('{');
            for name in names {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_sorted(&members[name], text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_sorted(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_members_does_not_matter_but_their_values_do() {
        let sorted = |text: &str| {
            let mut written = String::new();
            write_sorted(&serde_json::from_str(text).expect("is JSON"), &mut written);
            written
        };
        assert_eq!(sorted(r#"{"a":1,"b":[{"c":2,"d":3}]}"#), sorted(r#"{"b":[{"d":3,"c":2}],"a":1}"#));
        assert_ne!(sorted(r#"{"a":"1,b"}"#), sorted(r#"{"a":"1","b":""}"#));
    }
}
