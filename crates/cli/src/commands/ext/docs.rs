//! `sandboxer ext docs`: a page about an extension.

use super::extension_id;
use crate::error::{CommandResult, local_fault};
use crate::ext_page::page;
use crate::ui::Output;
use clap::Args;
use sandboxer_broker::catalog::{Catalog, CatalogProfile, Listing};
use sandboxer_types::Failure;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `ext docs` takes.
#[derive(Debug, Args)]
pub(crate) struct ExtDocsArguments {
    /// The extension's id, with or without `ext.`
    extension: String,
    /// Write the page into this file instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints or writes the page. Nothing of the extension is run.
pub(super) fn ext_docs(catalog: &Catalog, arguments: &ExtDocsArguments, output: &Output) -> CommandResult<ExitCode> {
    let id = extension_id(&arguments.extension)?;
    let extension = catalog.extension(&id).map_err(Failure::from)?;
    let sound = |listing| match listing {
        Listing::Sound(profile) => Some(profile),
        Listing::Broken { .. } | Listing::Inert { .. } => None,
    };
    let profiles = catalog.profiles().into_iter().filter_map(sound);
    let profiles: Vec<&CatalogProfile> = profiles.filter(|profile| profile.extensions.contains(&id)).collect();
    let page = page(extension, &profiles);
    let Some(file) = &arguments.out else {
        return Ok(output.data(&json!({"extension": id, "markdown": page}), || page.clone()));
    };
    let shown = file.display().to_string();
    std::fs::write(file, &page).map_err(|error| local_fault(format!("write `{shown}`"), &error))?;
    Ok(output.data(&json!({"extension": id, "file": shown}), || format!("wrote {shown}")))
}
