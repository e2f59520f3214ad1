//! `sandboxer registry`: what other tools can know of extensions and profiles without running anything.

mod check;
mod describe;
mod export;
mod folder;
mod record;
mod reports;
mod select;

use crate::config::Config;
use crate::error::CommandResult;
use crate::ui::Output;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

/// The commands under `registry`.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Write what other tools can know of extensions and profiles; runs nothing
    Export(export::ExportArguments),
    /// Check each file of a registry, its index, and whether the manifests still say the same
    Check {
        /// The registry
        #[arg(value_name = "DIR", default_value = "registry")]
        directory: PathBuf,
    },
}

/// Runs it.
pub(crate) fn registry(config: &Config, command: RegistryCommand, output: &Output) -> CommandResult<ExitCode> {
    match command {
        RegistryCommand::Export(arguments) => export::export(config, &arguments, output),
        RegistryCommand::Check { directory } => check::check(config, &directory, output),
    }
}
