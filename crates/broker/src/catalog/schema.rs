//! JSON Schema, in our words. The one importer of the validator.

use super::plain;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use sandboxer_types::nearest_word;
use serde_json::Value;
use std::sync::OnceLock;

/// A valid schema. Its validator is made when the first value comes that a plain look does not settle.
#[derive(Debug)]
pub(super) struct Schema {
    source: Value,
    plain: bool,
    validator: OnceLock<Result<Validator, SchemaFault>>,
}

/// Something that is not a schema.
#[derive(Debug, Clone)]
pub(super) struct SchemaFault {
    /// Where in the schema.
    pub(super) path: Vec<String>,
    /// What is wrong.
    pub(super) message: String,
}

/// One way in which a value breaks a schema.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    /// Where: keys and indexes; for a missing or unknown member, its own name last.
    pub(super) path: Vec<String>,
    /// What is wrong, without the value: it may be a secret.
    pub(super) message: String,
    /// What was probably meant.
    pub(super) nearest: Option<String>,
    /// Whether the member should not be there at all.
    pub(super) unexpected: bool,
    /// Whether a member should be there and is not.
    pub(super) missing: bool,
}

const NO_FORM: &str = "has none of the forms allowed";

/// The names an object of this schema may have, when it lists them and does not say that there may be others.
pub(super) fn closed_names(schema: &Value) -> Option<Vec<&str>> {
    let properties = schema.get("properties")?.as_object()?;
    let open = match schema.get("additionalProperties") {
        None | Some(Value::Bool(false)) => schema.get("patternProperties").is_some(),
        Some(_) => true,
    };
    (!open).then(|| properties.keys().map(String::as_str).collect())
}

/// The validator of a schema. References lead nowhere outside of it.
pub(super) fn validator(schema: &Value) -> Result<Validator, SchemaFault> {
    jsonschema::draft202012::options().build(schema).map_err(|error| {
        let message = in_words(error.kind()).unwrap_or_else(|| error.masked().to_string());
        SchemaFault { path: steps(&error), message }
    })
}

impl Schema {
    /// Takes a schema, if it is one.
    pub(super) fn new(schema: &Value) -> Result<Self, SchemaFault> {
        let made = Self { source: schema.clone(), plain: plain::is_plain(schema), validator: OnceLock::new() };
        if !made.plain {
            made.validator.get_or_init(|| validator(schema)).as_ref().map_err(Clone::clone)?;
        }
        Ok(made)
    }

    /// Every way in which `instance` breaks the schema.
    pub(super) fn violations(&self, instance: &Value) -> Vec<Violation> {
        if self.plain && plain::accepts(&self.source, instance) {
            return Vec::new();
        }
        match self.validator.get_or_init(|| validator(&self.source)) {
            Ok(validator) if validator.is_valid(instance) => Vec::new(),
            Ok(validator) => {
                validator.iter_errors(instance).flat_map(|error| self.translate(&error, instance)).collect()
            }
            Err(fault) => {
                let message = format!("cannot be checked: {}", fault.message);
                vec![Violation { path: Vec::new(), message, nearest: None, unexpected: false, missing: false }]
            }
        }
    }

    fn translate(&self, error: &ValidationError<'_>, instance: &Value) -> Vec<Violation> {
        let here = steps(error);
        let at = |message: String| Violation {
            path: here.clone(),
            message,
            nearest: None,
            unexpected: false,
            missing: false,
        };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                self.unexpected(error, &here, unexpected.iter().map(String::as_str))
            }
            // Where no property is known at all, the validator does not name those it found.
            ValidationErrorKind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
                let object = instance.pointer(error.instance_path().as_str()).and_then(Value::as_object);
                self.unexpected(error, &here, object.into_iter().flat_map(|object| object.keys().map(String::as_str)))
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default().to_owned();
                let path = here.iter().cloned().chain([name]).collect();
                vec![Violation { path, missing: true, ..at("is missing".to_owned()) }]
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                let missing = alternatives(context);
                vec![match missing {
                    Some(names) => Violation { missing: true, ..at(format!("needs one of {names}")) },
                    None => at(NO_FORM.to_owned()),
                }]
            }
            ValidationErrorKind::Enum { options } => vec![Violation {
                nearest: nearest_option(error.instance(), options),
                ..at(format!("must be one of {}", list(options)))
            }],
            kind => vec![at(in_words(kind).unwrap_or_else(|| error.masked().to_string()))],
        }
    }

    fn unexpected<'n>(
        &self,
        error: &ValidationError<'_>,
        here: &[String],
        names: impl Iterator<Item = &'n str>,
    ) -> Vec<Violation> {
        let known = self.known_names(error);
        let violation = |name: &str| Violation {
            path: here.iter().cloned().chain([name.to_owned()]).collect(),
            message: "is not known here".to_owned(),
            nearest: nearest_word(name, known.iter().map(String::as_str)).map(str::to_owned),
            unexpected: true,
            missing: false,
        };
        names.map(violation).collect()
    }

    /// The properties known to the part of the schema that refused one.
    fn known_names(&self, error: &ValidationError<'_>) -> Vec<String> {
        let path = error.schema_path().as_str();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let properties =
            self.source.pointer(parent).and_then(|schema| schema.get("properties")).and_then(Value::as_object);
        properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
    }
}

fn steps(error: &ValidationError<'_>) -> Vec<String> {
    let pointer = error.instance_path().as_str();
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

fn in_words(kind: &ValidationErrorKind) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => format!("must be of type {kind}"),
        ValidationErrorKind::Constant { expected_value } => format!("must be `{}`", plain(expected_value)),
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => NO_FORM.to_owned(),
        ValidationErrorKind::Enum { options } => format!("must be one of {}", list(options)),
        ValidationErrorKind::FalseSchema => "is not allowed here".to_owned(),
        ValidationErrorKind::Format { format } => format!("must have the format `{format}`"),
        ValidationErrorKind::Pattern { pattern } => format!("must match `{pattern}`"),
        ValidationErrorKind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} items"),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("must be above {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("must be below {limit}"),
        _ => return None,
    })
}

/// When every alternative fails for want of a member, the members.
fn alternatives(context: &[Vec<ValidationError<'static>>]) -> Option<String> {
    let mut names = Vec::new();
    for error in context.iter().flatten() {
        match error.kind() {
            ValidationErrorKind::Required { property } => names.push(format!("`{}`", plain(property))),
            _ => return None,
        }
    }
    Some(names.join(", "))
}

fn list(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options.iter().map(|option| format!("`{}`", plain(option))).collect::<Vec<_>>().join(", ")
}

fn nearest_option(instance: &Value, options: &Value) -> Option<String> {
    let options = options.as_array()?.iter().filter_map(Value::as_str);
    nearest_word(instance.as_str()?, options).map(str::to_owned)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
