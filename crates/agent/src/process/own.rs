//! Commands, as `sandboxer.agent.v1` speaks of them.

use std::time::Duration;

use futures::Stream;
use sandboxer_envd::agent::process_selector::Selector as WireSelector;
use sandboxer_envd::agent::{
    self, Exit, FollowRequest, FollowResponse, ProcessSelector, SignalRequest, SignalScope, WaitRequest,
};
use sandboxer_envd::connectrpc::ConnectError;

use super::command::{Command, SharedCommand};
use super::faults::signal_fault;
use super::follow::{self, Wanted};
use super::processes::{Processes, Selector};
use super::reaper::Scope;

fn parse(selector: Option<&ProcessSelector>) -> Result<Selector, ConnectError> {
    match selector.and_then(|selector| selector.selector.as_ref()) {
        Some(WireSelector::Pid(pid)) => Ok(Selector::Pid(*pid)),
        Some(WireSelector::Tag(tag)) => Ok(Selector::Tag(tag.clone())),
        None => Err(ConnectError::invalid_argument("the request selects no process")),
    }
}

/// Any command, running or not.
fn find(processes: &Processes, selector: Option<&ProcessSelector>) -> Result<SharedCommand, ConnectError> {
    let selector = parse(selector)?;
    processes.find(&selector).ok_or_else(|| ConnectError::not_found(selector.to_string()))
}

/// Sends any signal to a command that runs.
pub(crate) fn signal(processes: &Processes, request: &SignalRequest) -> Result<(), ConnectError> {
    let selector = parse(request.process.as_option())?;
    let command = processes.find_running(&selector);
    let command = command.ok_or_else(|| ConnectError::not_found(selector.to_string()))?;
    let scope = match request.scope.as_known() {
        Some(SignalScope::SIGNAL_SCOPE_PROCESS) => Scope::Process,
        Some(SignalScope::SIGNAL_SCOPE_GROUP | SignalScope::SIGNAL_SCOPE_UNSPECIFIED) => Scope::Group,
        None => return Err(ConnectError::invalid_argument("there is no such scope")),
    };
    let sent = processes.reaper.signal(command.pid, request.signal, scope);
    sent.map_err(|error| signal_fault(&error, &selector))
}

/// How a command ended, once it did.
pub(crate) async fn wait(processes: &Processes, request: &WaitRequest) -> Result<Exit, ConnectError> {
    let command = find(processes, request.process.as_option())?;
    Ok(follow::exit(command.ended().await))
}

/// All commands that are known.
pub(crate) fn list(processes: &Processes) -> Vec<agent::Command> {
    processes.all().iter().map(|command| describe(command)).collect()
}

fn describe(command: &Command) -> agent::Command {
    let config = command.config();
    let (kept_from, output) = command.hub.extent();
    agent::Command {
        pid: command.pid,
        tag: command.tag.clone(),
        argv: std::iter::once(&config.cmd).chain(&config.args).cloned().collect(),
        cwd: config.cwd.clone(),
        started: command.started.clone().into(),
        exit: command.exited().map(follow::exit).into(),
        output,
        kept_from,
        environment: config.envs.clone().into_iter().collect(),
    }
}

/// What a follower's headers say.
pub(crate) struct Pace {
    /// How often it hears that the connection still stands.
    pub(crate) keepalive: Duration,
    /// How long the command waits for it when the connection breaks.
    pub(crate) linger: Option<Duration>,
}

/// A command's output from an offset on.
pub(crate) fn follow(
    processes: &Processes,
    request: &FollowRequest,
    pace: &Pace,
) -> Result<impl Stream<Item = Result<FollowResponse, ConnectError>> + Send + use<>, ConnectError> {
    let command = find(processes, request.process.as_option())?;
    let (only_kept, may_lose) = (request.only_kept, request.may_lose);
    if let Some(linger) = pace.linger.filter(|_| !only_kept && !may_lose) {
        command.hub.linger(linger);
    }
    let wanted = Wanted { from: request.from, only_kept, may_lose, keepalive: pace.keepalive };
    follow::follow(command, &wanted).map_err(|error| ConnectError::out_of_range(error.to_string()))
}
