use crate::asking::told;
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use sandboxer_types::{ErrorKind, Object, Residue};
use serde_json::{Value, json};

check!(
    L1,
    "wrong-inputs-are-named",
    rule: "An input that lacks or has the wrong type is `invalid_input`, with its name, before anything is done",
    does: "sends `provision` once without each input that is required, and once with each input of another type than its schema says",
    proves: "a slip of a caller costs nothing, and the caller learns where it is"
);

async fn run(bench: &Bench) -> Verdict {
    let schema = schema(bench).await?;
    let good = bench.subject().inputs(&bench.subject().plan.inputs);
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let mut looked = 0;
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let mut inputs = good.clone();
        inputs.shift_remove(name);
        must_be_refused(bench, inputs, name).await?;
        looked += 1;
    }
    for (name, property) in &properties {
        let Some(wrong) = of_another_type(property) else { continue };
        let mut inputs = good.clone();
        inputs.insert(name.clone(), wrong);
        must_be_refused(bench, inputs, name).await?;
        looked += 1;
    }
    if looked == 0 { Err(Stop::skipped("its schema says nothing about inputs")) } else { Ok(()) }
}

/// The manifest's, or what the extension says of itself.
pub(in crate::checks) async fn schema(bench: &Bench) -> Result<Value, Stop> {
    if let Some(schema) = &bench.subject().manifest.inputs_schema {
        return Ok(schema.clone());
    }
    let described = bench.describe().await?.ok().and_then(|described| described.inputs_schema);
    described.ok_or_else(|| Stop::skipped("it has no schema of inputs"))
}

fn of_another_type(property: &Value) -> Option<Value> {
    if property.get("enum").is_some() {
        return Some(json!({"no": "such word"}));
    }
    match property.get("type")?.as_str()? {
        "string" => Some(json!(["not", "a", "text"])),
        "integer" | "number" | "boolean" | "object" | "array" => Some(json!("a text")),
        _ => None,
    }
}

async fn must_be_refused(bench: &Bench, inputs: Object, name: &str) -> Verdict {
    let shown = Value::Object(inputs.clone()).to_string();
    let named = bench.name_with(inputs)?;
    let failure = match bench.provision(&named).await? {
        Ok(_) => return Err(Stop::failed(format!("it made a sandbox from the inputs {shown}"))),
        Err(failure) => failure,
    };
    let is_named = |field: &str| field == name || field.split(['.', '[']).any(|part| part == name);
    hold!(failure.kind == ErrorKind::InvalidInput, "it refused the inputs {shown}: {}", told(&failure));
    hold!(
        failure.fields.iter().any(|fault| is_named(&fault.field)),
        "it refused the inputs {shown} without naming `{name}` in `fields`: {}",
        told(&failure)
    );
    hold!(failure.residue == Residue::None, "it says that something may be left: {}", told(&failure));
    bench.forget(&named, &failure).await
}
