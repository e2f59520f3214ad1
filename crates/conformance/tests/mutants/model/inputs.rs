//! What the model takes for inputs.

use super::Model;
use crate::mutation::Mutation;
use async_trait::async_trait;
use sandboxer_sdk::{Call, Provision, Validate};
use sandboxer_types::{Failure, Object};
use serde_json::{Value, json};

/// The JSON Schema of its inputs.
pub(crate) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"note": {"type": "string"}, "size": {"type": "integer"}},
        "required": ["note"],
        "additionalProperties": false,
    })
}

impl Model {
    /// The inputs with defaults, or what is wrong with each.
    pub(super) fn checked(&self, inputs: &Object) -> Result<Object, Failure> {
        let mut faults = Vec::new();
        for (name, value) in inputs {
            let is_sound = match name.as_str() {
                "note" => value.is_string(),
                "size" => value.is_i64(),
                _ => false,
            };
            if !is_sound {
                faults.push((name.clone(), "is none that there is, or has the wrong type"));
            }
        }
        if !inputs.contains_key("note") {
            faults.push(("note".to_owned(), "is missing"));
        }
        if faults.is_empty() {
            let mut inputs = inputs.clone();
            inputs.entry("size").or_insert(json!(1));
            return Ok(inputs);
        }
        let failure = Failure::invalid_input("the inputs are not sound");
        if self.is(Mutation::DoesNotNameWrongInputs) {
            return Err(failure);
        }
        Err(faults.into_iter().fold(failure, |failure, (name, what)| failure.with_field(name, what)))
    }
}

#[async_trait]
impl Validate for Model {
    async fn validate(&self, call: &Call, request: &Provision) -> Result<Object, Failure> {
        let inputs = self.checked(&request.inputs)?;
        if self.is(Mutation::ValidateMakesIt) {
            let thing = crate::cloud::Thing { labels: call.labels.clone(), ..Default::default() };
            self.cloud(call)?.create(&thing, None)?;
        }
        Ok(inputs)
    }
}
