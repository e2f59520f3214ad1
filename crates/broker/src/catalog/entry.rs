//! What the catalog holds.

use super::handlers::ResolvedHandler;
use super::schema::{Schema, SchemaFault};
use sandboxer_types::source::Fault;
use sandboxer_types::{ExtensionId, Manifest, Object, Profile};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Which kind of source a file came from, in increasing precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Compiled into the binary.
    BuiltIn,
    /// A package that was added.
    Package,
    /// The user's configuration directory.
    Config,
    /// The working directory, as far as it is trusted.
    WorkingDirectory,
    /// A directory given on the command line.
    Given,
}

/// A package that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageOrigin {
    /// What it is called.
    pub name: String,
    /// Where it is, as messages name it.
    pub folder: PathBuf,
}

/// Where something came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The kind of source.
    pub layer: Layer,
    /// The file, as messages name it.
    pub file: String,
    /// The folder the file lies in; none for what is compiled in.
    pub folder: Option<PathBuf>,
    /// The package it is of, for [`Layer::Package`].
    pub package: Option<Arc<PackageOrigin>>,
}

impl Origin {
    pub(super) fn built_in(name: &str) -> Self {
        Self { layer: Layer::BuiltIn, file: name.to_owned(), folder: None, package: None }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.layer, &self.package) {
            (Layer::BuiltIn, _) => formatter.write_str("built in"),
            (Layer::Package, Some(package)) => write!(formatter, "package {}", package.name),
            (Layer::Package | Layer::Config | Layer::WorkingDirectory | Layer::Given, _) => {
                formatter.write_str(&self.file)
            }
        }
    }
}

/// An extension that can be used.
#[derive(Debug)]
pub struct CatalogExtension {
    /// Its manifest. Over a built-in of the same id, only title, config, secrets and timeouts are the file's.
    pub manifest: Manifest,
    /// What runs it.
    pub resolved: ResolvedHandler,
    /// Why the handler means that, in a sentence.
    pub why: String,
    /// Where it came from.
    pub origin: Origin,
    /// What it replaces, the latest first.
    pub shadows: Vec<Origin>,
    pub(super) text: Arc<str>,
    /// The validator of its inputs; made when first asked for.
    pub(super) inputs: OnceLock<Result<Schema, SchemaFault>>,
    /// What only a validator finds; made when first asked for.
    pub(super) deep_faults: OnceLock<Vec<Fault>>,
}

impl CatalogExtension {
    /// Its id.
    pub fn id(&self) -> &ExtensionId {
        &self.manifest.id
    }

    /// The validator of its inputs; accepts everything when the manifest has no schema.
    pub(super) fn inputs(&self) -> Result<&Schema, &SchemaFault> {
        let anything = Value::Object(Object::new());
        self.inputs.get_or_init(|| Schema::new(self.manifest.inputs_schema.as_ref().unwrap_or(&anything))).as_ref()
    }
}

/// A profile whose extension exists and suits it.
#[derive(Debug)]
pub struct CatalogProfile {
    /// The profile.
    pub profile: Profile,
    /// The extensions that can make it: its `extension`, or those `candidates` that exist and suit it.
    pub extensions: Vec<ExtensionId>,
    /// Where it came from.
    pub origin: Origin,
    /// What it replaces, the latest first.
    pub shadows: Vec<Origin>,
    /// What is wrong with some of its candidates, though not with all.
    pub remarks: Vec<Fault>,
    pub(super) text: Arc<str>,
    /// For each of `extensions`, what only a validator finds; made when first asked for.
    pub(super) deep_faults: OnceLock<Vec<Vec<Fault>>>,
}
