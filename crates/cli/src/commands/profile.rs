//! `sandboxer profile`: look at profiles.

use super::listing::{Row, can_be_checked, check};
use super::request::profile_id;
use crate::config::Config;
use crate::error::CommandResult;
use crate::ui::Output;
use crate::ui::table::table;
use crate::wiring::catalog;
use clap::Subcommand;
use sandboxer_types::{Failure, Network, Profile};
use serde_json::json;
use std::process::ExitCode;

/// The commands under `profile`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List profiles
    Ls,
    /// Show a profile
    Show {
        /// Its id, with or without `profile.`
        id: String,
    },
    /// Check every manifest and profile, or one profile
    Check {
        /// Its id, with or without `profile.`
        id: Option<String>,
    },
}

/// Runs it.
pub(crate) fn profile(config: &Config, command: ProfileCommand, output: &Output) -> CommandResult<ExitCode> {
    let catalog = catalog(config);
    match command {
        ProfileCommand::Ls => {
            let rows: Vec<Row> = catalog
                .profiles()
                .iter()
                .map(|listing| {
                    Row::of(listing, |entry| {
                        let title = entry.profile.title.clone().unwrap_or_default();
                        (entry.profile.id.to_string(), title, entry.origin.clone())
                    })
                })
                .collect();
            let data = json!({ "profiles": rows.iter().map(Row::json).collect::<Vec<_>>() });
            Ok(output.data(&data, || table(["ID", "STATUS", "TITLE", "ORIGIN"], rows.iter().map(Row::cells))))
        }
        ProfileCommand::Show { id } => {
            let entry = catalog.profile(&profile_id(&id)?).map_err(Failure::from)?;
            let data = json!({ "profile": entry.profile, "origin": entry.origin.to_string() });
            Ok(output.data(&data, || format!("{}\norigin      {}", describe(&entry.profile), entry.origin)))
        }
        ProfileCommand::Check { id: None } => check(&catalog, output, |_| true),
        ProfileCommand::Check { id: Some(id) } => {
            let id = profile_id(&id)?;
            can_be_checked(catalog.profile(&id).err())?;
            let file = format!("{id}.yaml");
            check(&catalog, output, |fault| fault.file.ends_with(&file))
        }
    }
}

fn describe(profile: &Profile) -> String {
    let network = match &profile.network {
        Network::None => "none".to_owned(),
        Network::Host => "host".to_owned(),
        Network::Allow(destinations) => format!("allow {}", destinations.join(", ")),
    };
    let mut lines = vec![format!("id          {}", profile.id)];
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("{name:<12}{value}"));
        }
    };
    line("title", profile.title.clone());
    line("description", profile.description.clone());
    line("extension", profile.extension.as_ref().map(ToString::to_string));
    line("isolation", profile.isolation.as_ref().map(|level| format!("at least {level}")));
    line("inputs", profile.inputs.allow.as_ref().map(|names| names.join(", ")));
    line("ttl", Some(format!("{} by default, {} at most", profile.ttl.default, profile.ttl.max)));
    line("cpus", profile.resources.cpus.map(|cpus| cpus.to_string()));
    line("memory", profile.resources.memory.map(|memory| memory.to_string()));
    line("pids", profile.resources.pids.map(|pids| pids.to_string()));
    line("network", Some(network));
    line("workdir", profile.workdir.clone());
    lines.join("\n")
}
