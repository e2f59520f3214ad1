//! A caller's inputs: within what the profile allows, completed by its defaults, and right by the extension's schema.

use super::entry::{CatalogExtension, CatalogProfile};
use super::schema::{Violation, closed_names};
use sandboxer_types::{Blame, ErrorKind, Failure, FieldFault, Object, Residue, nearest_word};
use serde_json::Value;

/// The inputs for `extension`: the profile's defaults under the caller's inputs, validated. Made before anything exists,
/// so a failure never owes a teardown.
pub fn validate_inputs(
    extension: &CatalogExtension,
    profile: &CatalogProfile,
    caller_inputs: &Object,
) -> Result<Object, Failure> {
    refuse_names(extension, profile, caller_inputs)?;
    let mut inputs = profile.profile.inputs.defaults.clone();
    inputs.extend(caller_inputs.iter().map(|(name, value)| (name.clone(), value.clone())));
    let schema = extension.inputs().map_err(|fault| {
        let message = format!("the inputs of `{}` cannot be checked: {}", extension.id(), fault.message);
        Failure::new(ErrorKind::ContractViolation, message).with_residue(Residue::None).with_blame(Blame::Extension)
    })?;
    let inputs = Value::Object(inputs);
    let violations = schema.violations(&inputs);
    match inputs {
        Value::Object(inputs) if violations.is_empty() => Ok(inputs),
        _ => Err(invalid(violations.iter().map(field).collect(), settable(extension, profile))),
    }
}

/// What a caller may set; `None` when anything.
fn settable<'a>(extension: &'a CatalogExtension, profile: &'a CatalogProfile) -> Option<Vec<&'a str>> {
    match &profile.profile.inputs.allow {
        Some(allowed) => Some(allowed.iter().map(String::as_str).collect()),
        None => extension.manifest.inputs_schema.as_ref().and_then(closed_names),
    }
}

fn refuse_names(extension: &CatalogExtension, profile: &CatalogProfile, caller_inputs: &Object) -> Result<(), Failure> {
    let Some(settable) = settable(extension, profile) else { return Ok(()) };
    let refused = caller_inputs.keys().filter(|name| !settable.contains(&name.as_str()));
    let fields: Vec<FieldFault> = refused
        .map(|name| {
            let message = match profile.profile.inputs.allow {
                Some(_) => format!("cannot be set by a caller of `{}`", profile.profile.id),
                None => format!("is not known to `{}`", extension.id()),
            };
            let nearest = nearest_word(name, settable.iter().copied());
            FieldFault { field: shown(name), message: message + &did_you_mean(nearest) }
        })
        .collect();
    if fields.is_empty() { Ok(()) } else { Err(invalid(fields, Some(settable))) }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

fn shown(name: &str) -> String {
    name.escape_debug().to_string()
}

/// What is wrong with the inputs as a whole is told of `inputs`.
fn field(violation: &Violation) -> FieldFault {
    let message = violation.message.clone() + &did_you_mean(violation.nearest.as_deref());
    let name = if violation.path.is_empty() { "inputs".to_owned() } else { shown(&violation.path.join(".")) };
    FieldFault { field: name, message }
}

fn invalid(fields: Vec<FieldFault>, settable: Option<Vec<&str>>) -> Failure {
    let message = match fields.as_slice() {
        [only] => format!("`{}` {}", only.field, only.message),
        several => format!("{} inputs are not valid", several.len()),
    };
    let hint = match settable.as_deref() {
        None => "`sandboxer ext show` describes the inputs".to_owned(),
        Some([]) => "this profile lets a caller set no inputs".to_owned(),
        Some(names) => {
            let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!("a caller may set {names}")
        }
    };
    let mut failure = Failure::invalid_input(message).with_hint(hint);
    failure.fields = fields;
    failure
}
