//! From what the catalog has to what the registry says of it.

use crate::digest::manifest_digest;
use sandboxer_broker::catalog::{Catalog, CatalogExtension, CatalogProfile, Layer, ResolvedHandler};
use sandboxer_types::registry::{HandlerKind, RegistryExtension, RegistryProfile};

/// Where what is compiled in can be had.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// What the registry says of an extension, but for what only somebody else can say.
pub(super) fn extension(extension: &CatalogExtension) -> RegistryExtension {
    let (handler, source) = match &extension.resolved {
        ResolvedHandler::Builtin(_) => (HandlerKind::Builtin, Some(REPOSITORY.to_owned())),
        ResolvedHandler::Exec(_) => (HandlerKind::Exec, None),
        ResolvedHandler::Python { .. } => (HandlerKind::Python, None),
    };
    let manifest = &extension.manifest;
    RegistryExtension { source, ..RegistryExtension::new(manifest, handler, manifest_digest(manifest)) }
}

/// What the registry says of a profile, but for what only somebody else can say.
pub(super) fn profile(catalog: &Catalog, profile: &CatalogProfile) -> RegistryProfile {
    let makers: Vec<_> = catalog.suitable(profile).into_iter().map(|extension| &extension.manifest).collect();
    let source = (profile.origin.layer == Layer::BuiltIn).then(|| REPOSITORY.to_owned());
    RegistryProfile { source, ..RegistryProfile::new(&profile.profile, &makers) }
}
