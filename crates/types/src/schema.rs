//! JSON Schemas of what the types here look like in files and on the wire.
//!
//! What reads (schemars' contract `Deserialize`) describes the files that people write, as [`crate::source`] reads them:
//! there a number may stand where a text is asked for. What writes (`Serialize`) describes what travels.
//!
//! Patterns hold to what regular expressions have in every language: no look-around, no classes of Unicode.

use crate::Verb;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Stands for a type, or for the text of a member, in schemas only.
macro_rules! stand_ins {
    ($($(#[$doc:meta])* $name:ident = |$generator:ident| $schema:expr;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name;

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                    $schema
                }
            }
        )+
    };
}

stand_ins! {
    /// A point in time, as RFC 3339 writes it.
    Moment = |_generator| json_schema!({"type": "string", "format": "date-time"});
    /// A decimal number as a text, so that nothing is rounded.
    DecimalText = |_generator| json_schema!({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"});
    /// A length of time, perhaps of none.
    AnySpan = |_generator| json_schema!({
        "type": "string", "pattern": r"^\s*([0-9]+(ms|s|m|h|d)\s*)+$", "examples": ["90s", "15m", "1h30m"],
    });
    /// A length of time above zero.
    Span = |_generator| json_schema!({
        "type": "string", "examples": ["90s", "15m", "1h30m", "2d"],
        "pattern": r"^\s*([0-9]+(ms|s|m|h|d)\s*)*0*[1-9][0-9]*(ms|s|m|h|d)\s*([0-9]+(ms|s|m|h|d)\s*)*$",
    });
    /// An amount of bytes above zero.
    Size = |generator| json_schema!({
        "type": written(generator, "integer"), "minimum": 1,
        "pattern": r"^0*[1-9][0-9]*\s*([KMGT]iB|[kMGT]B|B)?$", "examples": ["512MiB", "4GiB", "10 GB"],
    });
    /// Text on one line.
    Line = |generator| json_schema!({
        "type": written(generator, "number"), "minLength": 1, "maxLength": 500,
        "pattern": r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
    });
    /// Text of any length.
    Text = |generator| json_schema!({"type": written(generator, "number"), "pattern": r"^[^\x00]*$"});
    /// The value of a label.
    LabelValue = |generator| json_schema!({
        "type": written(generator, "number"), "maxLength": 256, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$",
    });
    /// A name in a file.
    Name = |_generator| json_schema!({"type": "string", "pattern": NAME});
    /// The name of an environment variable.
    Variable = |_generator| json_schema!({"type": "string", "pattern": VARIABLE});
    /// A folder inside of a sandbox.
    Folder = |_generator| folder("^/");
    /// A folder of the host.
    HomeFolder = |_generator| folder("^(/|~/|~$)");
    /// Where a sandbox may reach to.
    Destination = |_generator| json_schema!({
        "type": "string", "pattern": destination(),
        "examples": ["example.org:443", "*.example.org", "10.0.0.0/8", "[2001:db8::1]:22"],
    });
    /// A verb, among them those that every extension has.
    AnyVerb = |_generator| {
        let words: Vec<&str> = ["provision", "wait_ready", "teardown"].iter().chain(Verb::WORDS).copied().collect();
        json_schema!({"type": "string", "enum": words})
    };
    /// A JSON Schema; only its being an object is checked here.
    AnySchema = |_generator| json_schema!({"type": "object"});
    /// A command: a program, and its arguments.
    Command = |generator| json_schema!({
        "type": "array", "items": generator.subschema_for::<Text>(), "minItems": 1,
        "prefixItems": [{"minLength": 1}], "examples": [["make", "deps"]],
    });
    /// A command that is handed on.
    Words = |_generator| json_schema!({
        "type": "array", "items": {"type": "string", "pattern": r"^[^\x00]*$"}, "minItems": 1,
        "prefixItems": [{"pattern": "^[^-]"}],
    });
}

/// The name of a secret or a cache.
pub const NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$";
/// The name of an environment variable.
pub const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]{0,254}$";

/// What the key of a label must be.
pub fn label_keys() -> Value {
    json!({"pattern": "^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$", "not": {"pattern": r"^sandboxer\."}})
}

/// Text, or in a file also a number, which is taken as it was written.
fn written(generator: &SchemaGenerator, number: &str) -> Value {
    if generator.contract().is_deserialize() { json!(["string", number]) } else { json!("string") }
}

fn folder(start: &str) -> Schema {
    json_schema!({
        "type": "string", "maxLength": 1024, "pattern": start,
        // With a type, since a pattern holds for whatever is no text.
        "not": {"type": "string", "pattern": r"(^|/)\.\.(/|$)|[\x00-\x1f\x7f-\x9f]"},
    })
}

/// A host name, `*.` and a host name, an address or a network, each with or without a port. A name's last label is no
/// number: that would be an address that was mistyped.
fn destination() -> String {
    let port = "(:0*[1-9][0-9]{0,4})?";
    let label = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
    let last = "([0-9]*[A-Za-z_]([A-Za-z0-9_-]*[A-Za-z0-9_])?|[0-9]+-[A-Za-z0-9_-]*[A-Za-z0-9_])";
    let byte = "(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})";
    let new_address = "[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*";
    let length = |longest: &str| format!("/\\+?0*({longest})");
    let name = format!(r"(\*\.)?({label}\.)*{last}{port}");
    let old = format!(r"({byte}\.){{3}}{byte}({}|{port})", length("3[0-2]|[12]?[0-9]"));
    let new = format!(r"{new_address}({})?|\[{new_address}\]{port}", length("12[0-8]|1[01][0-9]|[1-9]?[0-9]"));
    format!("^({name}|{old}|{new})$")
}

/// Says that exactly one of the forms holds, each of which may have members that it does not name.
pub fn exclusive(schema: &mut Schema) {
    let Some(Value::Array(mut forms)) = schema.remove("anyOf") else { return };
    for form in forms.iter_mut().filter_map(Value::as_object_mut) {
        form.remove("additionalProperties");
    }
    schema.insert("oneOf".to_owned(), forms.into());
}

/// Turns the schema of an enum of words, one schema a word, into a plain `enum`; what each means goes into the
/// description.
pub fn words(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.remove("oneOf") else { return };
    let texts = |key: &'static str| variants.iter().filter_map(move |variant| variant.get(key)?.as_str());
    let meanings: Vec<String> =
        texts("const").zip(texts("description")).map(|(word, meaning)| format!("- `{word}`: {meaning}")).collect();
    let words: Vec<&str> = texts("const").collect();
    let lead = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{lead}\n\n{}", meanings.join("\n"));
    schema.insert("description".to_owned(), description.into());
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), words.into());
}
