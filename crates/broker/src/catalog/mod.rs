//! What can be made, by whom and where: manifests, profiles and hosts of every source, and whether the working directory is trusted.
//!
//! [`Catalog::load`] never fails. A file that is broken is kept as such, with its faults, and disables nothing but its own
//! id; a file of the working directory or of a package is inert until [`TrustBook`] knows its digest. Looking something up answers with
//! the thing itself or with a [`Miss`] that says why not, and converts into a [`Failure`](sandboxer_types::Failure).
//!
//! Start-up time counts, so loading parses and compares names only. Whatever needs a JSON Schema validator waits until a
//! profile or an extension is really looked up, or until [`Catalog::check`] asks for everything.

mod binding;
mod document;
mod entry;
mod files;
mod handlers;
mod hosts;
mod inputs;
mod load;
mod miss;
mod plain;
mod schema;
mod shelf;
#[cfg(test)]
mod tests;
mod trust;

pub use document::{DocumentFault, document_faults};
pub use entry::{CatalogExtension, CatalogProfile, Layer, Origin, PackageOrigin};
pub use files::CatalogSource;
pub use handlers::{BuiltinHandler, ResolvedHandler};
pub use hosts::CatalogHost;
pub use inputs::validate_inputs;
pub use load::Catalog;
pub use miss::{Inertness, Kind, Miss};
pub use shelf::Listing;
pub use trust::{
    SurveyedExposure, SurveyedHandler, SurveyedHost, TrustBook, TrustFault, TrustSurvey, survey, survey_package,
};
