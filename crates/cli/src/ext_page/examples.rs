//! Examples, as one writes them into a profile, and as one types them.

use sandboxer_types::{Example, ProfileId};
use serde_json::Value;

/// Each example as inputs of a profile, and as a command over `profile`.
pub(super) fn examples(examples: &[Example], profile: Option<&ProfileId>) -> String {
    let name = profile.map_or("PROFILE", ProfileId::short);
    examples
        .iter()
        .map(|example| format!("```yaml\n{}\n```\n\n```sh\n{}\n```\n", yaml(example), command(example, name)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn yaml(example: &Example) -> String {
    format!("inputs: {{defaults: {}}}", flow(&Value::Object(example.inputs.clone())))
}

/// YAML in one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{}: {}", key(name), flow(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(entries) => format!("[{}]", entries.iter().map(flow).collect::<Vec<_>>().join(", ")),
        // JSON's scalars are YAML's.
        scalar => scalar.to_string(),
    }
}

fn key(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
        // What YAML might read as something else than a text.
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&name.to_ascii_lowercase().as_str());
    if is_plain { name.to_owned() } else { Value::from(name).to_string() }
}

fn command(example: &Example, profile: &str) -> String {
    let inputs =
        example.inputs.iter().map(|(name, value)| format!(" -i {}", shell_word(&format!("{name}={}", typed(value)))));
    format!("sandboxer create {profile}{}", inputs.collect::<String>())
}

/// An input's value is read as JSON where it parses as such, else as text.
fn typed(value: &Value) -> String {
    match value {
        Value::String(text) if serde_json::from_str::<Value>(text).is_err() => text.clone(),
        value => value.to_string(),
    }
}

/// A word as a shell reads it.
fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_./=:@%+,-".contains(letter);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_example_is_written_so_that_it_is_read_as_it_was() {
        let inputs = json!({"note": "it's", "size": 2, "number": "2", "env": {"DEBUG": "1", "on": null}});
        let example = Example { inputs: inputs.as_object().cloned().expect("an object") };
        let expected = r#"inputs: {defaults: {note: "it's", size: 2, number: "2", env: {DEBUG: "1", "on": null}}}"#;
        assert_eq!(yaml(&example), expected);
        let expected =
            r#"sandboxer create mine -i 'note=it'\''s' -i size=2 -i 'number="2"' -i 'env={"DEBUG":"1","on":null}'"#;
        assert_eq!(command(&example, "mine"), expected);
    }
}
