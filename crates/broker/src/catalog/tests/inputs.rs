//! What a caller may set, and how it is told otherwise.

use super::*;
use crate::catalog::validate_inputs;
use sandboxer_types::{Failure, Object};
use serde_json::{Value, json};

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn validated(catalog: &Catalog, id: &str, inputs: Value) -> Result<Object, Failure> {
    let found = profile(catalog, id).expect("a sound profile");
    validate_inputs(catalog.suitable(found)[0], found, &object(inputs))
}

fn told(result: Result<Object, Failure>) -> String {
    let failure = result.expect_err("invalid");
    assert!(!failure.residue.may_exist());
    let fields = failure.fields.iter().map(|field| format!("\n  {}: {}", field.field, field.message));
    format!("{failure}{}\n  hint: {}", fields.collect::<String>(), failure.hint.as_deref().unwrap_or("none"))
}

#[test]
fn defaults_lie_under_what_the_caller_says() {
    let catalog = load(&[CatalogSource::BuiltIn(COMPILED_IN)]);
    let inputs = validated(&catalog, "profile.local", json!({"repo": "."})).expect("valid");
    assert_eq!(Value::Object(inputs), json!({"base": "host", "repo": "."}));
    let inputs = validated(&catalog, "profile.local", json!({})).expect("valid");
    assert_eq!(Value::Object(inputs), json!({"base": "host"}));
}

#[test]
fn every_wrong_input_is_told_by_name() {
    let directory = Directory::with(&[
        (
            "extensions/ext.vms.yaml",
            "id: ext.vms\ntitle: Machines\nhandler: python:vms:Vms\n\
             capabilities: {isolation_levels: [vm], pricing_model: self-hosted}\n\
             inputs_schema:\n  type: object\n  properties:\n    vm: {type: string, pattern: \"^[a-z-]+$\"}\n    \
             ssh_target: {type: string, minLength: 1}\n    tunnel_port: {type: integer, minimum: 1, maximum: 65535}\n    \
             size: {enum: [small, large]}\n    nested: {type: object, properties: {deep: {type: boolean}}, \
             required: [deep], additionalProperties: false}\n  additionalProperties: false\n  \
             anyOf: [{required: [vm]}, {required: [ssh_target]}]\n",
        ),
        ("profiles/profile.vms.yaml", "id: profile.vms\nextension: ext.vms\n"),
        (
            "profiles/profile.one.yaml",
            "id: profile.one\nextension: ext.vms\ninputs: {defaults: {vm: lab}, allow: [size]}\n",
        ),
        (
            "profiles/profile.none.yaml",
            "id: profile.none\nextension: ext.vms\ninputs: {defaults: {vm: lab}, allow: []}\n",
        ),
        ("extensions/ext.my-backend.yaml", GUIDE_MANIFEST),
        ("profiles/profile.free.yaml", "id: profile.free\nextension: ext.my-backend\n"),
    ]);
    let catalog = directory.given();
    assert_eq!(catalog.check(), []);
    let cases = [
        ("profile.vms", json!({})),
        ("profile.vms", json!({"vm": "LAB-7", "tunnel_port": 0, "size": "smal", "nested": {"deeep": true}})),
        ("profile.vms", json!({"vm": 7})),
        ("profile.vms", json!({"vms": "lab", "sandbox_id": "x"})),
        ("profile.one", json!({"vm": "other", "siez": "small"})),
        ("profile.none", json!({"size": "small"})),
        ("profile.one", json!({"a\u{1b}[31m": 1})),
    ];
    let report: Vec<String> =
        cases.map(|(id, inputs)| format!("{id} {inputs}\n{}", told(validated(&catalog, id, inputs.clone())))).into();
    insta::assert_snapshot!(report.join("\n\n"));
    let anything = json!({"whatever": [1, 2]});
    assert_eq!(validated(&catalog, "profile.free", anything.clone()).map(Value::Object), Ok(anything));
}

#[test]
fn values_are_never_repeated_in_what_is_told() {
    let catalog = load(&[CatalogSource::BuiltIn(COMPILED_IN)]);
    let failure = validated(&catalog, "profile.local", json!({"base": "canary-7f3a", "ref": ["canary-7f3a"]}));
    let failure = serde_json::to_string(&failure.expect_err("invalid")).expect("serializes");
    assert!(!failure.contains("canary"), "{failure}");
}
