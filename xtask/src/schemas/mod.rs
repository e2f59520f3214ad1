//! Generates `schemas/`: what manifests and profiles look like, and what travels between a host and an extension.

mod authored;
mod messages;
mod registry;

use crate::shell;
use anyhow::{Context, bail};
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A part of a schema.
type Part = Map<String, Value>;

/// Files by their names relative to `schemas`.
type Files = BTreeMap<String, String>;

/// The folders that hold generated files, relative to `schemas`.
const FOLDERS: [&str; 2] = ["", "messages"];
const SUFFIX: &str = ".schema.json";

/// Writes the schemas, or with `check` fails when they differ from what is committed.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let folder = shell::root().join("schemas");
    let (fresh, committed) = (generate()?, read(&folder)?);
    let stale: Vec<&str> = fresh
        .keys()
        .chain(committed.keys().filter(|name| !fresh.contains_key(*name)))
        .filter(|name| fresh.get(*name) != committed.get(*name))
        .map(String::as_str)
        .collect();
    if check && !stale.is_empty() {
        bail!("stale in schemas: {}; run `cargo xtask codegen`", stale.join(", "));
    }
    fs::create_dir_all(folder.join("messages"))?;
    for name in stale {
        let path = folder.join(name);
        match fresh.get(name) {
            Some(text) => fs::write(&path, text),
            None => fs::remove_file(&path),
        }
        .with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn read(folder: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for inner in FOLDERS {
        let folder = folder.join(inner);
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(SUFFIX) {
                let name = if inner.is_empty() { name } else { format!("{inner}/{name}") };
                files.insert(name, fs::read_to_string(entry.path())?);
            }
        }
    }
    Ok(files)
}

fn generate() -> anyhow::Result<Files> {
    let documents = authored::documents().into_iter().chain(registry::documents()).chain(messages::documents()?);
    documents
        .map(|document| {
            let name = format!("{}{SUFFIX}", document.name);
            let mut schema = document.finish(&name);
            settle(&mut schema);
            check_descriptions(&schema).with_context(|| name.clone())?;
            Ok((name, serde_json::to_string_pretty(&schema)? + "\n"))
        })
        .collect()
}

/// A schema before it is written.
struct Document {
    /// The file's name, without what all have in common.
    name: String,
    title: String,
    description: String,
    body: Part,
    definitions: Part,
}

impl Document {
    fn finish(self, name: &str) -> Value {
        let mut schema = Part::new();
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("$id".to_owned(), json!(name));
        schema.insert("title".to_owned(), json!(self.title));
        schema.insert("description".to_owned(), json!(self.description));
        schema.extend(self.body.into_iter().filter(|(key, _)| !matches!(key.as_str(), "title" | "description")));
        let definitions = reached(&schema, &self.definitions);
        if !definitions.is_empty() {
            schema.insert("$defs".to_owned(), Value::Object(definitions));
        }
        Value::Object(schema)
    }
}

/// The definitions that something refers to, in the order in which they are first met.
fn reached(schema: &Part, definitions: &Part) -> Part {
    let mut found = Part::new();
    let mut unseen = vec![Value::Object(schema.clone())];
    while let Some(mut schema) = unseen.pop() {
        let mut names = Vec::new();
        each_schema(&mut schema, &mut |part| {
            let reference = part.get("$ref").and_then(Value::as_str);
            names.extend(reference.and_then(|path| path.strip_prefix("#/$defs/")).map(str::to_owned));
        });
        for name in names {
            if let Some(definition) = definitions.get(&name).filter(|_| !found.contains_key(&name)) {
                found.insert(name, definition.clone());
                unseen.push(definition.clone());
            }
        }
    }
    found
}

/// Describes what is heard or read, or what is sent.
fn generator(contract: Contract) -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|settings| settings.contract = contract).into_generator()
}

/// The schema of a type itself, with references to those of others.
fn part_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Part {
    match Value::from(T::json_schema(generator)) {
        Value::Object(part) => part,
        other => Part::from_iter([("allOf".to_owned(), json!([other]))]),
    }
}

/// Calls `change` with each schema within `schema`, the innermost first, and never with what is data.
fn each_schema(schema: &mut Value, change: &mut impl FnMut(&mut Part)) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| each_schema(item, change)),
        Value::Object(part) => {
            for (key, inner) in part.iter_mut() {
                match (key.as_str(), inner) {
                    ("default" | "examples" | "enum" | "const" | "required", _) => {}
                    ("properties" | "$defs", Value::Object(named)) => {
                        named.values_mut().for_each(|inner| each_schema(inner, change));
                    }
                    (_, inner) => each_schema(inner, change),
                }
            }
            change(part);
        }
        _ => {}
    }
}

/// Takes out what only Rust means: how wide numbers are, and where lines and links of its documentation are.
fn settle(schema: &mut Value) {
    each_schema(schema, &mut |part| {
        let is_width =
            |format: &Value| matches!(format.as_str(), Some("uint" | "uint32" | "uint64" | "int64" | "double"));
        if part.get("format").is_some_and(is_width) {
            part.remove("format");
        }
        if let Some(Value::String(description)) = part.get_mut("description") {
            *description = in_plain_words(description);
        }
    });
}

fn in_plain_words(documentation: &str) -> String {
    let paragraphs = documentation.split("\n\n").map(|paragraph| {
        let is_list = paragraph.starts_with("- ");
        if is_list { paragraph.to_owned() } else { paragraph.replace('\n', " ") }
    });
    paragraphs.collect::<Vec<_>>().join("\n\n").replace("[`", "`").replace("`]", "`")
}

/// Editors show descriptions, so every member has one, but for those of mere conditions, which state no type.
fn check_descriptions(schema: &Value) -> anyhow::Result<()> {
    let mut bare = Vec::new();
    each_schema(&mut schema.clone(), &mut |part| {
        let members = part.get("properties").filter(|_| part.contains_key("type"));
        for (name, member) in members.and_then(Value::as_object).into_iter().flatten() {
            let says = |key: &str| member.get(key).is_some();
            if !says("description") && !says("$ref") && !says("const") && !member.is_boolean() {
                bare.push(name.clone());
            }
        }
    });
    if bare.is_empty() { Ok(()) } else { bail!("members without a description: {}", bare.join(", ")) }
}
