//! Whether a profile and its extension fit together, and what each says fits its schemas.

use super::entry::{CatalogExtension, CatalogProfile, Origin};
use super::miss::Miss;
use super::schema::{Schema, SchemaFault, Violation, closed_names};
use super::shelf::Shelf;
use sandboxer_types::source::{Fault, Part, Remark, fault_at};
use sandboxer_types::{ExtensionId, Profile};
use serde_json::Value;

/// The extensions that can make a profile, and what speaks against the others.
pub(super) struct Bound {
    pub(super) extensions: Vec<ExtensionId>,
    pub(super) remarks: Vec<Fault>,
}

/// A file whose faults are looked for.
#[derive(Clone, Copy)]
struct Page<'a> {
    file: &'a str,
    text: &'a str,
}

impl Page<'_> {
    fn fault(self, path: &[&str], part: Part, remark: Remark) -> Fault {
        fault_at(self.file, self.text, path, part, remark)
    }

    /// Places what a validator found below `prefix`.
    fn violation(self, prefix: &[&str], violation: &Violation) -> Fault {
        let path: Vec<&str> = prefix.iter().copied().chain(violation.path.iter().map(String::as_str)).collect();
        let part = if violation.unexpected { Part::Key } else { Part::Value };
        let subject = path.join(".");
        let message = format!("`{}` {}", subject.escape_debug(), violation.message);
        let mut fault = self.fault(&path, part, Remark::new(message));
        fault.nearest.clone_from(&violation.nearest);
        fault
    }

    fn schema_fault(self, key: &str, fault: &SchemaFault) -> Fault {
        let path: Vec<&str> = std::iter::once(key).chain(fault.path.iter().map(String::as_str)).collect();
        self.fault(&path, Part::Value, Remark::new(format!("this is not a JSON Schema: {}", fault.message)))
    }
}

/// Compares names only: builds no validator. Fails when no extension can make the profile.
pub(super) fn bind(
    profile: &Profile,
    origin: &Origin,
    text: &str,
    extensions: &Shelf<CatalogExtension>,
) -> Result<Bound, Vec<Fault>> {
    let page = Page { file: &origin.file, text };
    let mut bound = Bound { extensions: Vec::new(), remarks: Vec::new() };
    for (index, id) in profile.extension.iter().chain(&profile.candidates).enumerate() {
        let position = index.to_string();
        let path: &[&str] = if profile.extension.is_some() { &["extension"] } else { &["candidates", &position] };
        let faults = match extensions.get(id.as_str()) {
            Err(miss) => vec![page.fault(path, Part::Value, remark_of(&miss))],
            Ok(extension) => misfits(profile, extension, page),
        };
        if faults.is_empty() {
            bound.extensions.push(id.clone());
        }
        bound.remarks.extend(faults);
    }
    if bound.extensions.is_empty() { Err(bound.remarks) } else { Ok(bound) }
}

fn remark_of(miss: &Miss) -> Remark {
    let remark = Remark::new(miss.to_string());
    match miss {
        Miss::Unknown { nearest: Some(nearest), .. } => remark.meant(nearest),
        Miss::Unknown { nearest: None, .. } => remark.hint("`sandboxer ext ls` lists what there is"),
        Miss::Broken { id, .. } => remark.hint(format!("`sandboxer ext check {id}` says what is wrong with it")),
        Miss::Untrusted { .. } => {
            remark.hint("`sandboxer trust .` shows what this directory would be allowed, and allows it")
        }
    }
}

fn misfits(profile: &Profile, extension: &CatalogExtension, page: Page<'_>) -> Vec<Fault> {
    let levels = &extension.manifest.capabilities.isolation_levels;
    let mut faults = Vec::new();
    if let Some(minimum) = &profile.isolation
        && !levels.iter().any(|level| level.satisfies(minimum))
    {
        let offered = levels.iter().map(|level| format!("`{level}`")).collect::<Vec<_>>().join(", ");
        let message = format!("`{}` isolates by {offered}, which is less than `{minimum}`", extension.id());
        faults.push(page.fault(&["isolation"], Part::Value, Remark::new(message)));
    }
    let Some(known) = extension.manifest.inputs_schema.as_ref().and_then(closed_names) else { return faults };
    let unknown = |name: &str| {
        let message = format!("`{}` has no input `{}`", extension.id(), name.escape_debug());
        (!known.contains(&name)).then(|| Remark::new(message).near(name, known.iter().copied()))
    };
    for (index, name) in profile.inputs.allow.iter().flatten().enumerate() {
        let path = ["inputs", "allow", &index.to_string()];
        faults.extend(unknown(name).map(|remark| page.fault(&path, Part::Value, remark)));
    }
    for name in profile.inputs.defaults.keys() {
        faults.extend(unknown(name).map(|remark| page.fault(&["inputs", "defaults", name], Part::Key, remark)));
    }
    faults
}

/// What only a validator finds in a manifest: its schemas, and its config. Found once.
pub(super) fn extension_faults(extension: &CatalogExtension) -> &[Fault] {
    extension.deep_faults.get_or_init(|| {
        let manifest = &extension.manifest;
        let page = Page { file: &extension.origin.file, text: &extension.text };
        let mut faults = Vec::new();
        if let Err(fault) = extension.inputs() {
            faults.push(page.schema_fault("inputs_schema", fault));
        }
        if let Some(schema) = &manifest.config_schema {
            match Schema::new(schema) {
                Err(fault) => faults.push(page.schema_fault("config_schema", &fault)),
                Ok(schema) => {
                    let found = schema.violations(&Value::Object(manifest.config.clone()));
                    faults.extend(found.iter().map(|violation| page.violation(&["config"], violation)));
                }
            }
        }
        faults
    })
}

/// Whether the schemas of a manifest accept its own examples, and its profiles' options can be checked at all.
pub(super) fn example_faults(extension: &CatalogExtension) -> Vec<Fault> {
    let page = Page { file: &extension.origin.file, text: &extension.text };
    let mut faults = Vec::new();
    if let Some(Err(fault)) = extension.manifest.options_schema.as_ref().map(Schema::new) {
        faults.push(page.schema_fault("options_schema", &fault));
    }
    let Ok(schema) = extension.inputs() else { return faults };
    for (index, example) in extension.manifest.examples.iter().enumerate() {
        let found = schema.violations(&Value::Object(example.inputs.clone()));
        let index = index.to_string();
        faults.extend(found.iter().map(|violation| page.violation(&["examples", &index, "inputs"], violation)));
    }
    faults
}

/// For each extension of `profile`, what only a validator finds: its own faults, and the profile's options and defaults
/// against its schemas. Found once.
pub(super) fn deep_faults<'p>(profile: &'p CatalogProfile, extensions: &Shelf<CatalogExtension>) -> &'p [Vec<Fault>] {
    profile.deep_faults.get_or_init(|| {
        let found = profile.extensions.iter().filter_map(|id| extensions.get(id.as_str()).ok());
        found
            .map(|extension| {
                let own = extension_faults(extension).iter().cloned();
                own.chain(option_faults(profile, extension)).chain(default_faults(profile, extension)).collect()
            })
            .collect()
    })
}

/// The faults of [`deep_faults`] that are in the profile's file.
pub(super) fn profile_faults(profile: &CatalogProfile, extensions: &Shelf<CatalogExtension>) -> Vec<Fault> {
    let all = deep_faults(profile, extensions).concat();
    all.into_iter().filter(|fault| fault.file == profile.origin.file).collect()
}

fn option_faults(profile: &CatalogProfile, extension: &CatalogExtension) -> Vec<Fault> {
    let page = Page { file: &profile.origin.file, text: &profile.text };
    let options = &profile.profile.options;
    let Some(schema) = &extension.manifest.options_schema else {
        let message = format!("`{}` takes no options", extension.id());
        let fault = (!options.is_empty()).then(|| page.fault(&["options"], Part::Key, Remark::new(message)));
        return fault.into_iter().collect();
    };
    match Schema::new(schema) {
        Err(fault) => {
            let page = Page { file: &extension.origin.file, text: &extension.text };
            vec![page.schema_fault("options_schema", &fault)]
        }
        Ok(schema) => {
            let found = schema.violations(&Value::Object(options.clone()));
            found.iter().map(|violation| page.violation(&["options"], violation)).collect()
        }
    }
}

/// The caller completes the inputs, so what is missing is no fault yet; what is there must be right.
fn default_faults(profile: &CatalogProfile, extension: &CatalogExtension) -> Vec<Fault> {
    let page = Page { file: &profile.origin.file, text: &profile.text };
    let defaults = &profile.profile.inputs.defaults;
    let Some(schema) = extension.inputs().ok().filter(|_| !defaults.is_empty()) else { return Vec::new() };
    let found = schema.violations(&Value::Object(defaults.clone()));
    let present = found.iter().filter(|violation| !violation.path.is_empty() && !violation.missing);
    present.map(|violation| page.violation(&["inputs", "defaults"], violation)).collect()
}
