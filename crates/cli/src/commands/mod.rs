//! One file a command.

pub(crate) mod agent;
pub(crate) mod attach;
pub(crate) mod completion;
pub(crate) mod cp;
pub(crate) mod create;
mod doctor;

pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod ext;
pub(crate) mod extend;
mod following;
pub(crate) mod forget;
pub(crate) mod forward;
pub(crate) mod host;
mod joined;
mod listing;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod man;
mod naming;
pub(crate) mod orphans;
pub(crate) mod profile;
pub(crate) mod ps;
pub(crate) mod reconcile;
pub(crate) mod registry;
pub(crate) mod request;
pub(crate) mod rm;
pub(crate) mod run;
mod service_logs;
pub(crate) mod shell;
pub(crate) mod show;
pub(crate) mod ssh_config;
pub(crate) mod ssh_proxy;
mod streams;
pub(crate) mod sync;
mod terminal;
pub(crate) mod trust;

use crate::args::{Arguments, Command};
use crate::config::Config;
use crate::error::{CommandResult, local_fault};
use crate::interrupt::Interrupts;
use crate::ui::{Output, ProgressLine};
use crate::wiring::{Engine, engine};
use sandboxer_broker::{Context, Control};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long an acting command first spends on what is over: expired leases, dead owners.
const TIDYING_TIME: Duration = Duration::from_secs(5);

/// What a command works with.
pub(crate) struct Session<'a> {
    engine: Engine,
    pub(crate) config: Config,
    pub(crate) output: &'a Output,
    pub(crate) interrupts: Interrupts,
    pub(crate) progress: ProgressLine,
}

impl Session<'_> {
    /// Every operation there is.
    pub(crate) fn control(&self) -> &dyn Control {
        &self.engine.broker
    }

    /// The surroundings of one operation: withdrawn by Ctrl-C, watched by the progress line.
    pub(crate) fn context(&self) -> Context {
        Context { cancel: self.interrupts.cancel.clone(), observer: Arc::new(self.progress.clone()) }
    }

    /// The surroundings of a cleanup, which Ctrl-C does not withdraw.
    pub(crate) fn cleanup_context(&self) -> Context {
        Context { observer: Arc::new(self.progress.clone()), ..Context::default() }
    }

    /// Gives what is over a bounded time before the command's own work. A failure of it is said and stops nothing.
    pub(crate) async fn tidy(&self) {
        let context = self.cleanup_context();
        match tokio::time::timeout(TIDYING_TIME, self.control().tidy(&context)).await {
            Ok(Ok(report)) => {
                for outcome in report.outcomes.iter().filter(|outcome| !outcome.errors.is_empty()) {
                    let (id, errors) = (&outcome.decision.sandbox_id, outcome.errors.join("; "));
                    self.output.warning(&format!("`{id}` is still owed a teardown: {errors}"));
                }
            }
            Ok(Err(failure)) => self.output.warning(&format!("could not look for what is over: {failure}")),
            Err(_) => self.output.warning("removing what is over takes long; `sandboxer reconcile` does all of it"),
        }
    }
}

/// Runs the command.
pub(crate) fn execute(arguments: Arguments, output: &Output) -> CommandResult<ExitCode> {
    match arguments.command {
        Command::Completion(completion) => return Ok(completion::completion(&completion, output)),
        Command::Man(man) => return man::man(&man, output),

        Command::Agent(agent) => return agent::agent(agent, output),
        Command::Doctor => return doctor::doctor(&arguments.global, output),
        Command::Trust(trust) => return trust::trust(&Config::read(&arguments.global)?, trust, output),
        Command::Ext(ext) if !ext.needs_engine() => return ext::ext(&Config::read(&arguments.global)?, ext, output),
        Command::Host(host) => return host::host(&Config::read(&arguments.global)?, host, output),
        Command::Profile(profile) => return profile::profile(&Config::read(&arguments.global)?, profile, output),
        Command::Registry(registry) => {
            return registry::registry(&Config::read(&arguments.global)?, registry, output);
        }
        _ => {}
    }
    let config = Config::read(&arguments.global)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| local_fault("start the runtime", &error))?;
    let result = runtime.block_on(async {
        let engine = engine(&config, arguments.command.only_looks())?;
        let session =
            Session { engine, config, output, interrupts: Interrupts::listen()?, progress: output.progress() };
        let result = dispatch(&session, arguments.command).await;
        session.engine.hosting.stop().await;
        session.progress.clear();
        result
    });
    // A thread that still waits for the keyboard must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn dispatch(session: &Session<'_>, command: Command) -> CommandResult<ExitCode> {
    match command {
        Command::Run(arguments) => run::run(session, arguments).await,
        Command::Create(arguments) => create::create(session, arguments).await,
        Command::Ls(arguments) => ls::ls(session, arguments).await,
        Command::Show(arguments) => show::show(session, &arguments).await,
        Command::Exec(arguments) => exec::exec(session, arguments).await,
        Command::Shell(arguments) => shell::shell(session, arguments).await,
        Command::Ps(arguments) => ps::ps(session, &arguments).await,
        Command::Attach(arguments) => attach::attach(session, &arguments).await,
        Command::Forward(arguments) => forward::forward(session, arguments).await,
        Command::SshConfig(arguments) => ssh_config::ssh_config(session, &arguments).await,
        Command::SshProxy(arguments) => ssh_proxy::ssh_proxy(session, &arguments).await,
        Command::Cp(arguments) => tokio::select! {
            copied = cp::cp(session, &arguments) => copied,
            () = session.interrupts.cancel.cancelled() => Err(Failure::new(ErrorKind::Cancelled, "the copy was broken off")
                .with_residue(Residue::None)
                .into()),
        },
        Command::Sync(arguments) => tokio::select! {
            synced = sync::sync(session, &arguments) => synced,
            () = session.interrupts.cancel.cancelled() => Err(Failure::new(ErrorKind::Cancelled, "the sync was broken off")
                .with_residue(Residue::None)
                .with_hint("the next one makes good what is missing")
                .into()),
        },
        Command::Logs(arguments) => logs::logs(session, &arguments).await,
        Command::Events(arguments) => events::events(session, &arguments).await,
        Command::Extend(arguments) => extend::extend(session, &arguments).await,
        Command::Rm(arguments) => rm::rm(session, arguments).await,
        Command::Forget(arguments) => forget::forget(session, &arguments).await,
        Command::Reconcile(arguments) => reconcile::reconcile(session, &arguments).await,
        Command::Orphans(arguments) => orphans::orphans(session, &arguments).await,
        Command::Ext(command) => ext::ext_with_engine(session, command).await,
        Command::Agent(_)
        | Command::Trust(_)
        | Command::Profile(_)
        | Command::Registry(_)
        | Command::Host(_)
        | Command::Doctor
        | Command::Completion(_)
        | Command::Man(_) => Ok(ExitCode::SUCCESS),
    }
}
