//! `sandboxer trust`: the extensions and profiles of a directory, as they are now.

use crate::config::Config;
use crate::error::CommandResult;
use crate::packages::installed::Packages;
use crate::ui::Output;
use crate::ui::table::table;
use clap::{Args, Subcommand};
use sandboxer_broker::catalog::{TrustBook, TrustSurvey, survey, survey_package};
use sandboxer_types::Failure;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `trust` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TrustArguments {
    /// Directory to trust
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Only show what it would allow
    #[arg(long)]
    dry_run: bool,
    #[command(subcommand)]
    action: Option<TrustAction>,
}

#[derive(Debug, Subcommand)]
enum TrustAction {
    /// List what is trusted
    Ls,
    /// Trust a directory no longer
    Rm {
        /// Which
        directory: PathBuf,
    },
}

/// Trusts, lists or stops trusting.
pub(crate) fn trust(config: &Config, arguments: TrustArguments, output: &Output) -> CommandResult<ExitCode> {
    let path = config.trust_book();
    let mut book = TrustBook::load(&path).map_err(Failure::from)?;
    match arguments.action {
        Some(TrustAction::Ls) => {
            let rows: Vec<(String, usize)> = book.directories().map(|(name, files)| (name.to_owned(), files)).collect();
            let data = json!({ "directories": rows.iter().map(|(name, files)| json!({"directory": name, "files": files})).collect::<Vec<_>>() });
            Ok(output.data(&data, || {
                table(["DIRECTORY", "FILES"], rows.iter().map(|(name, files)| [name.clone(), files.to_string()]))
            }))
        }
        Some(TrustAction::Rm { directory }) => {
            let directory = config.working_directory.join(directory);
            let known = book.remove(&directory);
            book.save(&path).map_err(Failure::from)?;
            let data = json!({ "directory": directory.display().to_string(), "was_trusted": known });
            Ok(output.data(&data, || {
                let words = if known { "is no longer trusted" } else { "was not trusted" };
                format!("{} {words}", directory.display())
            }))
        }
        None => {
            let directory = config.working_directory.join(&arguments.directory);
            let is_package = Packages::of(config).contain(&directory);
            let survey = if is_package { survey_package(&directory) } else { survey(&directory) };
            let survey = survey.map_err(Failure::from)?;
            if !arguments.dry_run {
                book.trust(&survey).map_err(Failure::from)?;
                book.save(&path).map_err(Failure::from)?;
            }
            Ok(output.data(&survey, || describe(&survey, arguments.dry_run)))
        }
    }
}

fn describe(survey: &TrustSurvey, dry_run: bool) -> String {
    let act = if dry_run { "would trust" } else { "trusted" };
    let mut lines = vec![format!("{act} {} ({})", survey.directory, count_of_files(survey))];
    lines.extend(allowances(survey));
    lines.join("\n")
}

/// How many files there are, in words.
pub(super) fn count_of_files(survey: &TrustSurvey) -> String {
    if survey.files.len() == 1 { "1 file".to_owned() } else { format!("{} files", survey.files.len()) }
}

/// What trust allows, a line each.
pub(super) fn allowances(survey: &TrustSurvey) -> Vec<String> {
    let mut lines = Vec::new();
    for handler in &survey.handlers {
        lines.push(format!("  runs      {} ({})", handler.handler, handler.extension));
    }
    for profile in &survey.host_network {
        lines.push(format!("  network   of the host ({profile})"));
    }
    for exposure in &survey.exposures {
        lines.push(format!("  exposes   {} ({})", exposure.expose.path, exposure.profile));
    }
    for host in &survey.hosts {
        let place = host.ssh.as_ref().map_or_else(|| "this machine".to_owned(), ToString::to_string);
        lines.push(format!("  logs in   to {place} ({})", host.id));
    }
    for fault in survey.refused.iter().chain(&survey.broken) {
        lines.push(format!("  broken    {}", fault.headline()));
    }
    lines
}
