//! What a caller may ask for.

use sandboxer_types::{Failure, Object};
use serde_json::{Value, json};

/// The inputs with defaults; what is wrong with each otherwise.
pub fn checked(given: &Object) -> Result<Object, Failure> {
    let mut inputs = given.clone();
    inputs.entry("size").or_insert(json!(1));
    let faults = inputs.iter().filter_map(|(name, value)| Some((name, fault(name, value)?)));
    let failure = Failure::invalid_input("the inputs do not fit");
    let failure = faults.fold(failure, |failure, (name, fault)| failure.with_field(name, fault));
    if failure.fields.is_empty() { Ok(inputs) } else { Err(failure) }
}

fn fault(name: &str, value: &Value) -> Option<&'static str> {
    match name {
        "note" if !value.is_string() => Some("it is a text"),
        "size" if !value.as_u64().is_some_and(|size| (1..=8).contains(&size)) => {
            Some("it is a whole number from 1 to 8")
        }
        "note" | "size" => None,
        _ => Some("there is no such input"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_added_and_each_fault_is_named() {
        let object = |value: Value| value.as_object().cloned().expect("an object");
        assert_eq!(checked(&object(json!({"note": "a"}))), Ok(object(json!({"note": "a", "size": 1}))));
        let failure = checked(&object(json!({"note": 1, "size": 9, "colour": "red"}))).expect_err("three faults");
        let fields: Vec<&str> = failure.fields.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["note", "size", "colour"]);
    }
}
