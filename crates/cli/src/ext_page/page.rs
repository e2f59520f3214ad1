//! The sections of the page.

use super::examples::examples;
use super::markdown::{code, prose, table};
use super::members::members_table;
use crate::secrets::variable_of;
use sandboxer_broker::Patience;
use sandboxer_broker::catalog::{CatalogExtension, CatalogProfile, ResolvedHandler};
use sandboxer_types::{Manifest, TimeSpan};
use serde_json::Value;

/// The page about an extension, and about the profiles that use it. The same manifest has the same page, always.
pub(crate) fn page(extension: &CatalogExtension, profiles: &[&CatalogProfile]) -> String {
    let manifest = &extension.manifest;
    let first = profiles.first().map(|profile| &profile.profile.id);
    let sections = [
        Some(head(extension)),
        Some(section("Capabilities", &capabilities(manifest))),
        members_table(manifest.inputs_schema.as_ref()).map(|table| section("Inputs", &table)),
        members_table(manifest.options_schema.as_ref())
            .map(|table| section("Options", &format!("A profile sets them, a caller never.\n\n{table}"))),
        config(manifest).map(|text| section("Config", &text)),
        secrets(manifest).map(|text| section("Secrets", &text)),
        Some(section("Timeouts", &timeouts(manifest))),
        process(extension).map(|text| section("Process", &text)),
        (!manifest.examples.is_empty()).then(|| section("Examples", &examples(&manifest.examples, first))),
        (!profiles.is_empty()).then(|| section("Profiles", &profile_table(profiles))),
    ];
    sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn section(title: &str, body: &str) -> String {
    format!("## {title}\n\n{body}")
}

fn head(extension: &CatalogExtension) -> String {
    let manifest = &extension.manifest;
    let rows = [
        Some(["id".to_owned(), code(manifest.id.as_str())]),
        manifest.version.as_ref().map(|version| ["version".to_owned(), prose(version)]),
        Some(["origin".to_owned(), prose(&extension.origin.to_string())]),
        Some(["handler".to_owned(), format!("{}: {}", code(&manifest.handler.to_string()), prose(&extension.why))]),
    ];
    format!("# {}\n\n{}", prose(&manifest.title), table(["", ""], rows.into_iter().flatten()))
}

fn capabilities(manifest: &Manifest) -> String {
    let capabilities = &manifest.capabilities;
    let row = |what: &str, word: &str, meaning: &str| [what.to_owned(), code(word), meaning.to_owned()];
    let isolation = capabilities
        .isolation_levels
        .iter()
        .map(|level| row("isolation", level.as_str(), level.meaning().unwrap_or("A level of the author's own.")));
    let pricing = capabilities.pricing_model;
    let verbs = capabilities.verbs.iter().map(|verb| row("verb", verb.as_str(), verb.meaning()));
    let features = capabilities.features.iter().map(|feature| row("feature", feature.as_str(), feature.meaning()));
    let kinds = capabilities.snapshot.iter().flat_map(|snapshot| &snapshot.kinds);
    let snapshots = kinds.map(|kind| row("snapshot", kind.as_str(), kind.meaning()));
    let pricing = std::iter::once(row("pricing", pricing.as_str(), pricing.meaning()));
    table(["what", "word", "meaning"], isolation.chain(pricing).chain(verbs).chain(features).chain(snapshots))
}

/// What its config may have, and what it has.
fn config(manifest: &Manifest) -> Option<String> {
    let described = members_table(manifest.config_schema.as_ref());
    let set = (!manifest.config.is_empty()).then(|| {
        let rows = manifest.config.iter().map(|(name, value)| [code(name), code(&value.to_string())]);
        format!("The manifest sets:\n\n{}", table(["name", "value"], rows))
    });
    let parts: Vec<String> = described.into_iter().chain(set).collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

fn secrets(manifest: &Manifest) -> Option<String> {
    if manifest.secrets.is_empty() {
        return None;
    }
    let id = manifest.id.as_str();
    let rows = manifest.secrets.iter().map(|(name, secret)| {
        let verbs = match secret.verbs.as_slice() {
            [] => "all".to_owned(),
            verbs => verbs.iter().map(|verb| code(verb)).collect::<Vec<_>>().join(", "),
        };
        let required = if secret.required { "yes" } else { "" };
        [code(name), required.to_owned(), verbs, code(&variable_of(&manifest.id, name)), code(&format!("{id}/{name}"))]
    });
    Some(format!(
        "Each is given in the environment of `sandboxer`, or in a file below `~/.config/sandboxer/secrets` that nobody else \
         can read.\n\n{}",
        table(["name", "required", "verbs", "variable", "file"], rows)
    ))
}

fn timeouts(manifest: &Manifest) -> String {
    let (own, usual) = (manifest.timeouts, Patience::default());
    let row = |verb: &str, own: Option<TimeSpan>, usual: std::time::Duration| {
        [code(verb), own.unwrap_or_else(|| TimeSpan::from(usual)).to_string()]
    };
    let rows = [
        row("provision", own.provision, usual.provision),
        row("wait_ready", own.wait_ready, usual.wait_ready),
        row("teardown", own.teardown, usual.teardown),
    ];
    table(["call", "at most"], rows)
}

/// How a program of it runs.
fn process(extension: &CatalogExtension) -> Option<String> {
    let manifest = &extension.manifest;
    if matches!(extension.resolved, ResolvedHandler::Builtin(_)) {
        return None;
    }
    let passed: Vec<String> = manifest.env.iter().flat_map(|env| &env.pass).map(|name| code(name)).collect();
    let environment =
        [code("PATH"), code("HOME"), code("TMPDIR")].into_iter().chain(passed).collect::<Vec<_>>().join(", ");
    let python = manifest.python.as_ref();
    let rows = [
        Some(
            ["lifecycle", &format!("{}: {}", code(manifest.lifecycle.as_str()), manifest.lifecycle.meaning())]
                .map(str::to_owned),
        ),
        Some(["calls at once".to_owned(), manifest.concurrency.unwrap_or(1).to_string()]),
        Some(["environment".to_owned(), environment]),
        python.and_then(|python| python.interpreter.as_ref()).map(|word| ["interpreter".to_owned(), code(word)]),
        python.filter(|python| !python.requirements.is_empty()).map(|python| {
            let requirements = python.requirements.iter().map(|word| code(word)).collect::<Vec<_>>();
            ["requirements".to_owned(), requirements.join(", ")]
        }),
    ];
    Some(table(["", ""], rows.into_iter().flatten()))
}

fn profile_table(profiles: &[&CatalogProfile]) -> String {
    let rows = profiles.iter().map(|known| {
        let profile = &known.profile;
        let defaults = match profile.inputs.defaults.is_empty() {
            true => String::new(),
            false => code(&Value::Object(profile.inputs.defaults.clone()).to_string()),
        };
        let words = |text: &Option<String>| prose(text.as_deref().unwrap_or_default());
        [code(profile.id.as_str()), words(&profile.title), words(&profile.description), defaults]
    });
    table(["id", "title", "description", "inputs it sets"], rows)
}
