//! `sandboxer host`: the machines that sandboxes are placed on.

mod check;

use crate::commands::request::key_value;
use crate::config::Config;
use crate::error::{CommandResult, local_fault};
use crate::hosts;
use crate::ui::Output;
use crate::ui::table::table;
use crate::ui::text::harmless;
use crate::wiring::catalog;
use clap::{Args, Subcommand};
use sandboxer_broker::catalog::{Catalog, CatalogHost, Listing, Miss};
use sandboxer_types::{ErrorKind, Failure, Host, HostId, Residue, SshDestination};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// The commands under `host`.
#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// List hosts
    Ls,
    /// Add a host to your own hosts.yaml, and log in to it once
    Add(AddArguments),
    /// Ask hosts what they can do, and say what to do about what they cannot
    Check {
        /// Which; aliases of your ssh config, too. Every host without one
        ids: Vec<HostId>,
    },
}

/// What `host add` takes.
#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// What it is to be called
    id: HostId,
    /// Where ssh finds it, as [USER@]HOST[:PORT]; without it, the id is an alias of your ssh config
    #[arg(value_name = "DEST")]
    destination: Option<SshDestination>,
    /// How many sandboxes it has at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    slots: Option<u32>,
    /// A label; repeatable
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    labels: Vec<(String, String)>,
}

/// Runs it.
pub(crate) fn host(config: &Config, command: HostCommand, output: &Output) -> CommandResult<ExitCode> {
    match command {
        HostCommand::Ls => Ok(ls(&catalog(config), output)),
        HostCommand::Add(arguments) => add(config, arguments, output),
        HostCommand::Check { ids } => check::check(&catalog(config), &ids, config.ssh_config.as_deref(), output),
    }
}

fn ls(catalog: &Catalog, output: &Output) -> ExitCode {
    let hosts = catalog.hosts();
    let data = json!({ "hosts": hosts.iter().map(as_json).collect::<Vec<_>>() });
    output.data(&data, || table(["ID", "SSH", "SLOTS", "LABELS", "ORIGIN"], hosts.iter().map(cells)))
}

fn as_json(listing: &Listing<'_, CatalogHost>) -> Value {
    match listing {
        Listing::Sound(entry) => json!({ "host": entry.host, "status": "ok", "origin": entry.origin.to_string() }),
        Listing::Broken { id, origin, faults } => {
            json!({ "host": { "id": id }, "status": "broken", "origin": origin.to_string(), "faults": faults })
        }
        Listing::Inert { id, origin, .. } => {
            json!({ "host": { "id": id }, "status": "not trusted", "origin": origin.to_string() })
        }
    }
}

fn cells(listing: &Listing<'_, CatalogHost>) -> [String; 5] {
    let dash = || "-".to_owned();
    match listing {
        Listing::Sound(CatalogHost { host, origin, .. }) => {
            let labels: Vec<String> = host.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            [
                host.id.to_string(),
                host.destination().map_or_else(dash, |destination| destination.to_string()),
                host.slots.map_or_else(dash, |slots| slots.to_string()),
                if labels.is_empty() { dash() } else { harmless(&labels.join(",")) },
                origin.to_string(),
            ]
        }
        Listing::Broken { id, origin, faults } => {
            [(*id).to_owned(), format!("broken ({})", faults.len()), dash(), dash(), origin.to_string()]
        }
        Listing::Inert { id, origin, .. } => {
            [(*id).to_owned(), "not trusted".to_owned(), dash(), dash(), origin.to_string()]
        }
    }
}

fn add(config: &Config, arguments: AddArguments, output: &Output) -> CommandResult<ExitCode> {
    let AddArguments { id, destination, slots, labels } = arguments;
    let host = Host { ssh: destination, slots, labels: labels.into_iter().collect(), ..Host::named(id) };
    let Some(destination) = host.destination() else {
        let failure = Failure::invalid_input("`localhost` is this machine, which always is a host");
        return Err(failure.with_hint("to describe it, write it into hosts.yaml").into());
    };
    for (key, value) in &host.labels {
        sandboxer_types::check_label_key(key).map_err(|fault| Failure::invalid_input(fault.to_string()))?;
        if value.len() > 256 || value.chars().any(char::is_control) {
            let message = format!("the value of the label `{key}` is too long, or holds control characters");
            return Err(Failure::invalid_input(message).with_hint("at most 256 bytes").into());
        }
    }
    let known = match catalog(config).host(&host.id) {
        Ok(entry) => Some(entry.origin.clone()),
        Err(Miss::Broken { origin, .. }) => Some(origin),
        Err(Miss::Unknown { .. } | Miss::Untrusted { .. }) => None,
    };
    if let Some(origin) = known {
        return Err(hosts::exists(&host, &origin.file).into());
    }
    let file = hosts::add(&config.config, &host)?;
    let login = if std::io::stdin().is_terminal() {
        log_in(&host, &destination, config.ssh_config.as_deref())
    } else {
        let command = hosts::by_hand(&destination, config.ssh_config.as_deref());
        output.note(&format!("log in once by hand, so that its key is known: {command}"));
        Ok(())
    };
    let data = json!({ "host": host, "file": file.display().to_string() });
    let code = output.data(&data, || format!("added {} ({destination}) to {}", host.id, file.display()));
    login.map(|()| code)
}

/// The first login asks whether the machine's key is right, and for what else it needs.
fn log_in(host: &Host, destination: &SshDestination, config: Option<&Path>) -> CommandResult<()> {
    let mut command = Command::new("ssh");
    command.args(hosts::login(destination, config)).stdout(Stdio::null());
    let status = command.status().map_err(|error| local_fault("start `ssh`", &error))?;
    if status.success() {
        return Ok(());
    }
    let message = format!("`{}` was added, but the first login to it failed", host.id);
    let hint = format!("`sandboxer host check {}` says what is wrong", host.id);
    Err(Failure::new(ErrorKind::HostUnreachable, message).with_residue(Residue::None).with_hint(hint).into())
}
