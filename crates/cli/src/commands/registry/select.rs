//! What of the catalog is exported.

use super::describe;
use super::export::ExportArguments;
use crate::commands::ext::extension_id;
use crate::config::Config;
use crate::error::CommandResult;
use crate::wiring::{built_in_catalog, catalog};
use sandboxer_broker::catalog::{Catalog, CatalogExtension, CatalogProfile, Layer, Listing};
use sandboxer_types::Failure;
use sandboxer_types::registry::{RegistryExtension, RegistryProfile};
use std::collections::BTreeSet;

/// What is exported, and every id there is.
pub(super) struct Selection {
    pub(super) extensions: Vec<RegistryExtension>,
    pub(super) profiles: Vec<RegistryProfile>,
    /// The ids of all extensions and profiles of every source, whether or not they can be used.
    pub(super) known: BTreeSet<String>,
}

impl Selection {
    pub(super) fn is_empty(&self) -> bool {
        self.extensions.is_empty() && self.profiles.is_empty()
    }
}

/// Chooses. Without an extension's id, that is everything usable that files offer, or else everything that is compiled in;
/// what cannot be used is noted.
pub(super) fn select(
    config: &Config,
    arguments: &ExportArguments,
    notes: &mut Vec<String>,
) -> CommandResult<Selection> {
    let (all, compiled_in) = (catalog(config), built_in_catalog());
    let known = known_ids(&all).chain(known_ids(&compiled_in)).collect();
    let from = if arguments.built_in { &compiled_in } else { &all };
    let (extensions, profiles) = match &arguments.extension {
        Some(id) => {
            let extension = from.extension(&extension_id(id)?).map_err(Failure::from)?;
            (vec![extension], profiles(from, |profile| profile.extensions.contains(extension.id()), notes))
        }
        None => {
            let layers = if arguments.built_in { &[Layer::BuiltIn][..] } else { &OWN_LAYERS };
            let extensions = extensions(from, layers, notes);
            (extensions, profiles(from, |profile| layers.contains(&profile.origin.layer), notes))
        }
    };
    for extension in &extensions {
        // Not which: that is the secret, perhaps.
        let left_out = RegistryExtension::left_out(&extension.manifest).len();
        if left_out > 0 {
            notes.push(format!(
                "{left_out} of the words that `{}` says in `python` may name a place of this machine or bear a secret, and are left out",
                extension.id()
            ));
        }
    }
    Ok(Selection {
        extensions: extensions.into_iter().map(describe::extension).collect(),
        profiles: profiles.into_iter().map(|profile| describe::profile(from, profile)).collect(),
        known,
    })
}

/// Where authors' own files are. What came by a package is its author's to publish.
const OWN_LAYERS: [Layer; 3] = [Layer::Config, Layer::WorkingDirectory, Layer::Given];

fn known_ids(catalog: &Catalog) -> impl Iterator<Item = String> {
    let extensions = catalog.extensions();
    let extensions = extensions.iter().map(|listing| id_of(listing, |extension| extension.id().to_string()));
    let profiles = catalog.profiles();
    let profiles = profiles.iter().map(|listing| id_of(listing, |entry| entry.profile.id.to_string()));
    extensions.chain(profiles).collect::<Vec<_>>().into_iter()
}

fn id_of<T>(listing: &Listing<'_, T>, sound: impl Fn(&T) -> String) -> String {
    match listing {
        Listing::Sound(thing) => sound(thing),
        Listing::Broken { id, .. } | Listing::Inert { id, .. } => (*id).to_owned(),
    }
}

fn extensions<'c>(catalog: &'c Catalog, layers: &[Layer], notes: &mut Vec<String>) -> Vec<&'c CatalogExtension> {
    let mut chosen = Vec::new();
    for listing in catalog.extensions() {
        match listing {
            Listing::Sound(extension) if !layers.contains(&extension.origin.layer) => {}
            Listing::Sound(extension) => match catalog.extension(extension.id()) {
                Ok(extension) => chosen.push(extension),
                Err(miss) => notes.push(format!("not exported: {miss}")),
            },
            unusable => note_unusable("ext", &unusable, layers, notes),
        }
    }
    chosen
}

fn profiles<'c>(
    catalog: &'c Catalog,
    is_wanted: impl Fn(&CatalogProfile) -> bool,
    notes: &mut Vec<String>,
) -> Vec<&'c CatalogProfile> {
    let mut chosen = Vec::new();
    for listing in catalog.profiles() {
        match listing {
            Listing::Sound(profile) if !is_wanted(profile) => {}
            Listing::Sound(profile) => match catalog.profile(&profile.profile.id) {
                Ok(profile) => chosen.push(profile),
                Err(miss) => notes.push(format!("not exported: {miss}")),
            },
            unusable => note_unusable("profile", &unusable, &OWN_LAYERS, notes),
        }
    }
    chosen
}

fn note_unusable<T>(command: &str, listing: &Listing<'_, T>, layers: &[Layer], notes: &mut Vec<String>) {
    match listing {
        Listing::Broken { id, origin, .. } if layers.contains(&origin.layer) => {
            notes.push(format!("not exported: `{id}` is broken; `sandboxer {command} check {id}` says how"));
        }
        Listing::Inert { id, origin, inertness } if layers.contains(&origin.layer) => {
            notes.push(format!("not exported: `{id}` stands in `{}`, which {inertness}", origin.file));
        }
        Listing::Sound(_) | Listing::Broken { .. } | Listing::Inert { .. } => {}
    }
}
