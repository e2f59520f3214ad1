//! What travels, as `docs/extension-protocol.md` says. Each message by itself, for whoever writes or hears it, and all of
//! them as one.

use super::{Document, Part, each_schema, generator, part_of};
use anyhow::{Context, bail};
use sandboxer_sdk::wire::{
    Ask, AskConnect, AskDeleteSnapshot, AskDescribe, AskEstimateCost, AskExtend, AskFork, AskList, AskListSnapshots,
    AskPause, AskPrices, AskProvision, AskRecover, AskRestore, AskResume, AskSnapshot, AskStatus, AskTeardown,
    AskValidate, AskWaitReady, CancelMessage, CheckpointMessage, LogMessage, Method, ProgressMessage, RpcError,
    Surroundings,
};
use sandboxer_sdk::{Call, Intent};
use sandboxer_types::SandboxId;
use schemars::generate::Contract;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

/// What members of requests mean that are written without a word in Rust: each means the same everywhere.
const ASKED: [(&str, &str); 15] = [
    ("host", "The machine on which it is."),
    ("profile", "What the sandbox is to be."),
    ("inputs", "What the caller has set, with defaults."),
    ("ttl_ms", "How many milliseconds it may live from now."),
    ("expires_at", "When it ends, for people; `ttl_ms` is what counts, since clocks differ."),
    ("tether", "The process of the host's machine with which the sandbox should also end."),
    ("draft", "The last one that an earlier attempt sent in a `checkpoint`."),
    ("handle", "What `provision` answered; of `sandbox_id` and `host` alone when that was lost."),
    ("reason", "Why it is removed."),
    ("owner", "Which state directory asks."),
    ("page", "The `next` of the page before; null for the first."),
    ("duration_ms", "For how many milliseconds it would live."),
    ("snapshot_id", "The id that the host chose for it."),
    ("kind", "What is to be kept."),
    ("source", "The handle of the sandbox to make it from."),
];
/// The same for results.
const ANSWERED: [(&str, &str); 17] = [
    ("id", "The id of the manifest."),
    ("version", "The extension's own version."),
    ("protocols", "The versions of the protocol that it speaks."),
    ("verbs", "The optional verbs that it has."),
    ("features", "What it promises about its behaviour."),
    ("inputs_schema", "JSON Schema (2020-12) of its inputs."),
    ("inputs", "The inputs, with defaults."),
    ("handle", "What was made; every later call gets it back."),
    ("reachability", "How it is reached."),
    ("report", "What was removed."),
    ("sandboxes", "What exists."),
    ("next", "What to send as `page` to get more; absent or null on the last page."),
    ("quote", "What it would cost."),
    ("prices", "What units cost."),
    ("expires_at", "When it will end."),
    ("snapshot", "What was kept."),
    ("snapshots", "What was kept."),
];

/// One message: its name in Rust's manner, its file, and its schema.
struct Message {
    name: String,
    document: Document,
}

pub(super) fn documents() -> anyhow::Result<Vec<Document>> {
    let mut messages = Vec::new();
    macro_rules! verbs {
        ($($ask:ident)+) => { $( messages.push(request::<$ask>()?); messages.push(result::<$ask>()); )+ };
    }
    verbs! {
        AskDescribe AskValidate AskProvision AskWaitReady AskTeardown AskRecover AskList AskStatus AskEstimateCost
        AskPrices AskExtend AskPause AskResume AskSnapshot AskRestore AskFork AskListSnapshots AskDeleteSnapshot
        AskConnect
    }
    if messages.len() != 2 * Method::ALL.len() {
        bail!("a method has no schema: {} of {} have one", messages.len() / 2, Method::ALL.len());
    }
    messages.push(notification::<ProgressMessage>("progress", "How far a call has come."));
    messages.push(notification::<LogMessage>("log", "A line for the log of a sandbox."));
    let checkpoint = "What the backend has given so far; made durable before the host reads on.";
    messages.push(notification::<CheckpointMessage>("checkpoint", checkpoint));
    messages.push(notification::<CancelMessage>("cancel", "From the host: a call should end early, and be answered."));
    messages.push(error());
    let all = all(&messages)?;
    Ok(messages.into_iter().map(|message| message.document).chain([all]).map(opened).collect())
}

/// Whoever hears a message passes over what it does not know.
fn opened(mut document: Document) -> Document {
    for part in [&mut document.body, &mut document.definitions] {
        for schema in part.values_mut() {
            each_schema(schema, &mut |part| {
                if part.get("additionalProperties") == Some(&Value::Bool(false)) {
                    part.remove("additionalProperties");
                }
            });
        }
    }
    document
}

fn request<A: Ask + JsonSchema>() -> anyhow::Result<Message> {
    let mut generator = generator(Contract::Serialize);
    let params = params::<A>(&mut generator)?;
    let id = json!({"type": "string", "description": "Which call this is; the answer bears it."});
    let members = [("id", id), ("method", json!({"const": A::METHOD.as_str()})), ("params", Value::Object(params))];
    let verb = A::METHOD.as_str();
    let title = format!("{verb}, the request");
    let about = format!("What the host asks with `{verb}`.");
    Ok(message(&format!("{verb}.request"), title, about, envelope(members, &[]), generator))
}

/// The surroundings of a call, as far as the verb has them, and what the verb adds.
fn params<A: Ask + JsonSchema>(generator: &mut SchemaGenerator) -> anyhow::Result<Part> {
    let has = surroundings_of(A::METHOD)?;
    let mut params = part_of::<Surroundings>(generator);
    let ask = part_of::<A>(generator);
    let mut required: Vec<Value> = params["required"].as_array().cloned().unwrap_or_default();
    if A::METHOD == Method::Describe {
        required.retain(|name| name == "_meta");
    }
    required.extend(ask.get("required").and_then(Value::as_array).cloned().unwrap_or_default());
    let members = params.get_mut("properties").and_then(Value::as_object_mut).context("surroundings have members")?;
    members.retain(|name, _| has.contains_key(name));
    if let Some(member) = members.get_mut("sandbox_id") {
        *member = json!({"$ref": "#/$defs/SandboxId", "description": "The sandbox it is about."});
        generator.subschema_for::<SandboxId>();
        required.push(json!("sandbox_id"));
    }
    members.extend(ask.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
    give_meanings(members, &ASKED);
    params.insert("required".to_owned(), required.into());
    params.remove("description");
    params.insert("description".to_owned(), json!("What is asked."));
    Ok(params)
}

/// What a request of this kind brings along, asked of the code that makes requests.
fn surroundings_of(method: Method) -> anyhow::Result<Part> {
    let profile = serde_json::from_value(json!({"id": "profile.any"}))?;
    let mut call = Call::detached("sbx1".parse()?, "own1".parse()?);
    call.intent = Some(Intent { profile, inputs: Part::new() });
    let surroundings = Surroundings::of(&call, &"ext.any".parse()?, method, "1");
    match serde_json::to_value(surroundings)? {
        Value::Object(members) => Ok(members),
        other => bail!("surroundings are {other}"),
    }
}

fn result<A: Ask<Answer: JsonSchema>>() -> Message {
    let mut generator = generator(Contract::Deserialize);
    let mut result = part_of::<A::Answer>(&mut generator);
    if let Some(members) = result.get_mut("properties").and_then(Value::as_object_mut) {
        give_meanings(members, &ANSWERED);
    }
    let id = json!({"type": "string", "description": "The `id` of the request."});
    let verb = A::METHOD.as_str();
    let title = format!("{verb}, the answer");
    let about = format!("What an extension answers to `{verb}` when that went well.");
    let body = envelope([("id", id), ("result", Value::Object(result))], &["error", "method"]);
    message(&format!("{verb}.result"), title, about, body, generator)
}

fn notification<T: JsonSchema>(method: &str, about: &str) -> Message {
    let mut generator = generator(Contract::Deserialize);
    let params = part_of::<T>(&mut generator);
    let body = envelope([("method", json!({"const": method})), ("params", Value::Object(params))], &["id"]);
    message(method, method.to_owned(), about.to_owned(), body, generator)
}

fn error() -> Message {
    let mut generator = generator(Contract::Deserialize);
    let error = part_of::<RpcError>(&mut generator);
    let id = "The `id` of the request; null when it could not be read.";
    let id = json!({"type": ["string", "null"], "description": id});
    let body = envelope([("id", id), ("error", Value::Object(error))], &["result", "method"]);
    let about = "What an extension answers when it went wrong. What is not stated counts as the worst case.";
    message("error", "error".to_owned(), about.to_owned(), body, generator)
}

/// Any line, either way. An answer does not tell to which verb, so that its result is any object.
fn all(messages: &[Message]) -> anyhow::Result<Document> {
    let (mut forms, mut definitions, mut kinds) = (Vec::new(), Part::new(), Part::new());
    let is_result = |message: &&Message| message.document.name.ends_with(".result");
    for message in messages.iter().filter(|message| !is_result(message)) {
        forms.push(json!({"$ref": format!("#/$defs/{}", message.name)}));
        kinds.insert(message.name.clone(), with_description(&message.document));
        for (name, definition) in &message.document.definitions {
            if definitions.insert(name.clone(), definition.clone()).is_some_and(|other| other != *definition) {
                bail!("`{name}` looks differently when it is sent and when it is heard");
            }
        }
    }
    let id = json!({"type": "string", "description": "The `id` of the request."});
    let result = json!({"type": "object", "description": "What came of it; see the schema of the verb's own answer."});
    let mut answer = envelope([("id", id), ("result", result)], &["error", "method"]);
    answer.insert("description".to_owned(), json!("What an extension answers when it went well."));
    kinds.insert("Answer".to_owned(), Value::Object(answer));
    forms.push(json!({"$ref": "#/$defs/Answer"}));
    kinds.extend(definitions);
    Ok(Document {
        name: "message".to_owned(),
        title: "A message of sand-boxer's extension protocol".to_owned(),
        description: "Any line, either way, in version 1 of the protocol.".to_owned(),
        body: Part::from_iter([("anyOf".to_owned(), forms.into())]),
        definitions: kinds,
    })
}

fn with_description(document: &Document) -> Value {
    let mut schema = Part::from_iter([("description".to_owned(), json!(document.description))]);
    schema.extend(document.body.clone());
    Value::Object(schema)
}

/// A JSON-RPC message with exactly these members of those that JSON-RPC names.
fn envelope<const N: usize>(members: [(&str, Value); N], foreign: &[&str]) -> Part {
    let mut properties = Part::from_iter([("jsonrpc".to_owned(), json!({"const": "2.0"}))]);
    properties.extend(members.map(|(name, schema)| (name.to_owned(), schema)));
    let required: Vec<String> = properties.keys().cloned().collect();
    properties.extend(foreign.iter().map(|name| ((*name).to_owned(), Value::Bool(false))));
    let body = [("type", json!("object")), ("properties", Value::Object(properties)), ("required", json!(required))];
    body.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn message(file: &str, title: String, description: String, body: Part, mut generator: SchemaGenerator) -> Message {
    let words = file.split(['.', '_']).map(|word| word[..1].to_uppercase() + &word[1..]);
    Message {
        name: words.collect::<String>() + "Message",
        document: Document {
            name: format!("messages/{file}"),
            title,
            description,
            body,
            definitions: generator.take_definitions(true),
        },
    }
}

/// Tells what each member means that does not say so itself.
fn give_meanings(members: &mut Part, meanings: &[(&str, &str)]) {
    for (name, member) in members.iter_mut() {
        let Some((_, meaning)) = meanings.iter().find(|(known, _)| known == name) else { continue };
        match member {
            Value::Object(member) if member.contains_key("description") => {}
            Value::Object(member) => drop(member.insert("description".to_owned(), json!(meaning))),
            anything => *anything = json!({"description": meaning}),
        }
    }
}
