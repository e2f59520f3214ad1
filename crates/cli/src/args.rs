//! What can be typed.

use crate::commands;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Disposable sandboxes: isolated workspaces that never stay behind
#[derive(Debug, Parser)]
#[command(name = "sandboxer", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Directory that holds what must survive [env: SANDBOXER_STATE, else the XDG state directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Directory with `extensions/`, `profiles/` or `hosts.yaml` to use and trust; repeatable
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) catalog: Vec<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but data and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice for the engine's own log
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a sandbox, run a command in it, remove it
    Run(commands::run::RunArguments),
    /// Make a sandbox and leave it there
    Create(commands::create::CreateArguments),
    /// List sandboxes
    Ls(commands::ls::LsArguments),
    /// Show all that is known of a sandbox
    Show(commands::show::ShowArguments),
    /// Run a command in a sandbox
    Exec(commands::exec::ExecArguments),
    /// Open a shell in a sandbox
    Shell(commands::shell::ShellArguments),
    /// List the commands of a sandbox
    Ps(commands::ps::PsArguments),
    /// Follow a command that runs already, or ended a while ago
    Attach(commands::attach::AttachArguments),
    /// Listen here for what listens in a sandbox
    Forward(commands::forward::ForwardArguments),
    /// Print what makes `ssh`, `scp`, `sftp` and editors reach sandboxes
    SshConfig(commands::ssh_config::SshConfigArguments),
    /// What `ssh` starts to reach a sandbox
    #[command(hide = true)]
    SshProxy(commands::ssh_proxy::SshProxyArguments),
    /// Copy files to or from a sandbox (ID:PATH)
    Cp(commands::cp::CpArguments),
    /// Make a sandbox's workspace the same as a directory here, by sending what differs
    Sync(commands::sync::SyncArguments),
    /// Show what set-up, the extension and services said, or what a command said
    Logs(commands::logs::LogsArguments),
    /// Show what happened, from the durable log
    Events(commands::events::EventsArguments),
    /// Let a sandbox live for a while from now
    Extend(commands::extend::ExtendArguments),
    /// Remove sandboxes, and verify that nothing is left
    Rm(commands::rm::RmArguments),
    /// Close the record of a sandbox that cannot be removed; what is left is then yours to clean
    Forget(commands::forget::ForgetArguments),
    /// Finish or remove what dead processes and expired leases left
    Reconcile(commands::reconcile::ReconcileArguments),
    /// Look for what backends hold without a record
    Orphans(commands::orphans::OrphansArguments),
    /// Trust the extensions and profiles of a directory, as they are now
    Trust(commands::trust::TrustArguments),
    /// Look at extensions
    #[command(subcommand)]
    Ext(commands::ext::ExtCommand),
    /// Look at profiles
    #[command(subcommand)]
    Profile(commands::profile::ProfileCommand),
    /// Publish what extensions and profiles can do, for tools that run nothing
    #[command(subcommand)]
    Registry(commands::registry::RegistryCommand),
    /// Look at hosts, the machines that sandboxes are placed on
    #[command(subcommand)]
    Host(commands::host::HostCommand),
    /// Say what this machine can and cannot enforce, and what to do about it
    Doctor,
    /// Serve commands and files on this machine, as inside a sandbox; E2B's clients can use it
    Agent(commands::agent::AgentArguments),
    /// Print a completion script for a shell
    Completion(commands::completion::CompletionArguments),
    /// Write man pages into a directory
    Man(commands::man::ManArguments),
}

impl Command {
    /// Whether the status of a command inside is passed through, so that our own failures need a status of their own.
    pub(crate) fn passes_status_through(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Exec(_) | Self::Shell(_) | Self::Attach(_))
    }

    /// Whether it changes nothing.
    pub(crate) fn only_looks(&self) -> bool {
        match self {
            Self::Ls(_) | Self::Show(_) | Self::Events(_) | Self::SshConfig(_) => true,
            Self::Logs(arguments) => arguments.only_looks(),
            _ => false,
        }
    }
}
