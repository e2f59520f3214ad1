//! `sandboxer ext`: look at extensions.

mod add;
mod call;
mod docs;
mod new;
mod remove;
mod serve;
mod test;

use super::Session;
use super::listing::{Row, can_be_checked, check};
use crate::config::Config;
use crate::error::CommandResult;
use crate::ui::Output;
use crate::ui::table::table;
use crate::wiring::catalog;
use clap::Subcommand;
use sandboxer_broker::catalog::Catalog;
use sandboxer_types::{ExtensionId, Failure};
use serde_json::json;
use std::process::ExitCode;

use add::ExtAddArguments;
use call::ExtCallArguments;
use docs::ExtDocsArguments;
use new::ExtNewArguments;
use remove::ExtRemoveArguments;
use test::ExtTestArguments;

/// The commands under `ext`.
#[derive(Debug, Subcommand)]
pub(crate) enum ExtCommand {
    /// List extensions
    Ls,
    /// Show an extension, and how its handler was understood
    Show {
        /// Its id, with or without `ext.`
        id: String,
    },
    /// Write an extension to begin with, which works at once
    New(ExtNewArguments),
    /// Write a page about an extension, from its manifest, schemas and examples
    Docs(ExtDocsArguments),
    /// Send an extension one request, and see what travels
    Call(ExtCallArguments),
    /// Add a package of extensions: a folder or an archive
    Add(ExtAddArguments),
    /// Remove a package of extensions
    Remove(ExtRemoveArguments),
    /// Test an extension: start, kill and restart it, and look that nothing is lost or left
    Test(ExtTestArguments),
    /// Serve a built-in extension on the standard streams, as the program that it would be
    #[command(hide = true)]
    Serve {
        /// Its id, with or without `ext.`
        id: String,
    },
    /// Check every manifest and profile, or those of one extension
    Check {
        /// Its id, with or without `ext.`
        id: Option<String>,
    },
}

impl ExtCommand {
    /// Whether it needs an engine.
    pub(super) const fn needs_engine(&self) -> bool {
        matches!(self, Self::Call(_) | Self::Remove(_))
    }
}

pub(super) fn extension_id(text: &str) -> CommandResult<ExtensionId> {
    ExtensionId::from_short(text).map_err(|fault| Failure::invalid_input(fault.to_string()).into())
}

/// Runs what needs an engine.
pub(super) async fn ext_with_engine(session: &Session<'_>, command: ExtCommand) -> CommandResult<ExitCode> {
    match command {
        ExtCommand::Call(arguments) => call::ext_call(session, arguments).await,
        ExtCommand::Remove(arguments) => remove::ext_remove(session, &arguments).await,
        ExtCommand::Add(_)
        | ExtCommand::New(_)
        | ExtCommand::Docs(_)
        | ExtCommand::Test(_)
        | ExtCommand::Serve { .. }
        | ExtCommand::Ls
        | ExtCommand::Show { .. }
        | ExtCommand::Check { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// Runs what only looks at the catalog.
pub(super) fn ext(config: &Config, command: ExtCommand, output: &Output) -> CommandResult<ExitCode> {
    if let ExtCommand::Add(arguments) = &command {
        return add::ext_add(config, arguments, output);
    }
    let catalog = catalog(config);
    match command {
        ExtCommand::Ls => ls(&catalog, output),
        ExtCommand::Show { id } => {
            let extension = catalog.extension(&extension_id(&id)?).map_err(Failure::from)?;
            let data = json!({
                "manifest": extension.manifest,
                "handler_resolved": extension.why,
                "origin": extension.origin.to_string(),
                "shadows": extension.shadows.iter().map(ToString::to_string).collect::<Vec<_>>(),
            });
            Ok(output.data(&data, || {
                let capabilities = &extension.manifest.capabilities;
                let words = |words: Vec<String>| if words.is_empty() { "-".to_owned() } else { words.join(", ") };
                let mut lines = vec![
                    format!("id         {}", extension.id()),
                    format!("title      {}", extension.manifest.title),
                    format!("handler    {}", extension.manifest.handler),
                    format!("           {}", extension.why),
                    format!("origin     {}", extension.origin),
                    format!(
                        "isolation  {}",
                        words(capabilities.isolation_levels.iter().map(ToString::to_string).collect())
                    ),
                    format!("pricing    {}", capabilities.pricing_model),
                    format!("verbs      {}", words(capabilities.verbs.iter().map(ToString::to_string).collect())),
                    format!("features   {}", words(capabilities.features.iter().map(ToString::to_string).collect())),
                ];
                for shadowed in &extension.shadows {
                    lines.push(format!("replaces   {shadowed}"));
                }
                lines.join("\n")
            }))
        }
        ExtCommand::New(arguments) => new::ext_new(config, &catalog, &arguments, output),
        ExtCommand::Docs(arguments) => docs::ext_docs(&catalog, &arguments, output),
        ExtCommand::Test(arguments) => test::ext_test(config, &catalog, &arguments, output),
        ExtCommand::Serve { id } => serve::ext_serve(config, &catalog, &id),
        // These need the engine.
        ExtCommand::Call(_) | ExtCommand::Remove(_) | ExtCommand::Add(_) => Ok(ExitCode::SUCCESS),
        ExtCommand::Check { id: None } => check(&catalog, output, |_| true),
        ExtCommand::Check { id: Some(id) } => {
            let id = extension_id(&id)?;
            can_be_checked(catalog.extension(&id).err())?;
            let file = format!("{id}.yaml");
            check(&catalog, output, |fault| fault.file.ends_with(&file))
        }
    }
}

fn ls(catalog: &Catalog, output: &Output) -> CommandResult<ExitCode> {
    let rows: Vec<Row> = catalog
        .extensions()
        .iter()
        .map(|listing| {
            Row::of(listing, |extension| {
                (extension.id().to_string(), extension.manifest.title.clone(), extension.origin.clone())
            })
        })
        .collect();
    let data = json!({ "extensions": rows.iter().map(Row::json).collect::<Vec<_>>() });
    Ok(output.data(&data, || table(["ID", "STATUS", "TITLE", "ORIGIN"], rows.iter().map(Row::cells))))
}
