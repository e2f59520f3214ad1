//! `sandboxer ext serve`: a built-in extension as a program like any other, which can be killed.

use super::extension_id;
use crate::config::Config;
use crate::error::CommandResult;
use crate::wiring::serve_built_in;
use sandboxer_broker::catalog::{Catalog, ResolvedHandler};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::process::ExitCode;

/// Serves it over the standard streams until they end.
pub(super) fn ext_serve(config: &Config, catalog: &Catalog, id: &str) -> CommandResult<ExitCode> {
    let extension = catalog.extension(&extension_id(id)?).map_err(Failure::from)?;
    config.prepare_state()?;
    let served = match &extension.resolved {
        ResolvedHandler::Builtin(name) => serve_built_in(config, name),
        ResolvedHandler::Exec(_) | ResolvedHandler::Python { .. } => None,
    };
    served.ok_or_else(|| {
        Failure::new(ErrorKind::Unsupported, format!("`{}` is not compiled in, so it cannot be served", extension.id()))
            .with_residue(Residue::None)
            .with_hint(format!("it is a program already: `{}`", extension.manifest.handler))
            .into()
    })
}
