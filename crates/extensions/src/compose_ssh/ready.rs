//! Waits until a stack can be used, and says how it is.

use super::engine::{Engine, Found};
use super::failure::{of_status, tail};
use super::host::{Host, SHORT, STATE};
use super::judge::{Container, State, Verdict};
use super::names::{AGENT_INSIDE, Names, id_of};
use super::remove;
use crate::machine::Machines;
use sandboxer_sdk::{Call, CommandLine};
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Reachability, Residue};
use serde_json::Value;
use std::time::Duration;

/// The first pause between two looks, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A container that was started again must stay for so many looks.
const STEADY_LOOKS: u32 = 3;
/// So many lines of a container's last words are told.
const LAST_LINES: &str = "20";

/// Where a sandbox is, and what to ask about it.
pub(super) struct Standing<'a> {
    pub(super) host: Host<'a>,
    pub(super) engine: Engine,
    pub(super) names: Names,
}

impl<'a> Standing<'a> {
    /// Opens the machine of a sandbox. The handle may know the engine; a look finds it otherwise.
    pub(super) async fn open(machines: &dyn Machines, call: &'a Call, handle: &Handle) -> Result<Self, Failure> {
        let host = Host::open(machines, call).await?;
        let known = Names::of_handle(call, handle).zip(handle.get("engine").and_then(Engine::from_value));
        let (names, engine) = match known {
            Some(known) => known,
            None => {
                let found = Found::on(&host).await?;
                (found.names(&host)?, found.engine()?)
            }
        };
        Ok(Self { host, engine, names })
    }

    pub(super) async fn look(&self) -> Result<State, Failure> {
        look(&self.host, &self.engine, &self.names).await
    }
}

/// What the folder and the engine say of a sandbox now.
pub(super) async fn look(host: &Host<'_>, engine: &Engine, names: &Names) -> Result<State, Failure> {
    let (folder, owner, mark) = (names.folder(), names.owner().to_string(), names.mark());
    let parameters = [engine.program(), engine.docker_host.as_str(), &folder, &owner, &mark];
    let bytes = host.script(STATE, &parameters, Vec::new(), "look at the stack").await?;
    State::read(&bytes, &mark)
}

/// Waits until the stack can be used.
pub(super) async fn wait(machines: &dyn Machines, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
    let present = |failure: Failure| failure.with_residue(Residue::Present);
    if id_of(handle)? != call.sandbox_id {
        return Err(Failure::invalid_input("the handle is of another sandbox").with_residue(Residue::Unknown));
    }
    let standing = Standing::open(machines, call, handle).await.map_err(present)?;
    let mut pause = PAUSES.0;
    let (mut restarts, mut steady) = (Vec::new(), 0);
    loop {
        let state = standing.look().await.map_err(present)?;
        if state.is_absent() {
            let message = format!("there is no sandbox `{}`", call.sandbox_id);
            return Err(Failure::new(ErrorKind::NotFound, message).with_residue(Residue::None));
        }
        let seen: Vec<(String, u64)> = state.restarts().into_iter().map(|(id, count)| (id.to_owned(), count)).collect();
        steady = if seen == restarts { steady + 1 } else { 0 };
        restarts = seen;
        let told = match state.verdict() {
            Verdict::Ready(entered) if restarts.is_empty() || steady >= STEADY_LOOKS => {
                return Ok(standing.reachability(&state, entered.as_ref(), handle));
            }
            Verdict::Ready(_) => "a container was started again, and may end again".to_owned(),
            Verdict::Waiting(why) => why,
            Verdict::Failed(why, container) => {
                return Err(not_ready(&standing.host, &standing.engine, why, container).await);
            }
        };
        call.progress("wait", told.clone());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            end = call.ended() => {
                let mut failure = present(end.failure());
                failure.message = format!("{}: {told}", failure.message);
                return Err(failure);
            }
        }
        pause = (pause * 3 / 2).min(PAUSES.1);
    }
}

/// A stack that will not be ready, with the last words of the container whose fault that is.
pub(super) async fn not_ready(host: &Host<'_>, engine: &Engine, why: String, container: Option<String>) -> Failure {
    let mut failure = Failure::new(ErrorKind::NotReady, why).with_residue(Residue::Present);
    let Some(container) = container else { return failure };
    let words = engine.command(&["logs", "--tail", LAST_LINES, &container]);
    match host.run(&CommandLine::new(words), SHORT, "read its last words").await {
        Ok(output) => {
            let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
            let whole = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
            let last = tail(whole.trim());
            if let Some(failed) = of_status(&output, "read its last words") {
                return failure.caused_by(&failed);
            }
            if last.is_empty() {
                failure.message.push_str("; it said nothing");
            } else {
                failure.message = format!("{}; its last words:\n{last}", failure.message);
            }
            failure.details.insert("logs".to_owned(), last.into());
            failure
        }
        Err(unknown) => failure.caused_by(&unknown),
    }
}

impl Standing<'_> {
    fn reachability(&self, state: &State, entered: Option<&Container>, handle: &Handle) -> Reachability {
        let project = self.names.project();
        let host: Option<HostId> = handle.text("host").and_then(|host| host.parse().ok());
        let ports = state.ports();
        let limits = state.kept.as_ref().and_then(|kept| kept.get("limits_unenforced")).and_then(Value::as_array);
        let texts = |values: &Vec<Value>| values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let mut reachability = Reachability {
            ssh: self.host.ssh(),
            remote_dir: Some(self.names.work()),
            host,
            compose_project: Some(project),
            enter: entered.map(|container| self.engine.command(&["exec", "-i", &container.id])),
            agent_path: entered.map(|_| AGENT_INSIDE.to_owned()),
            expire: Some(remove::words(&self.engine, &self.names)),
            ports: (!ports.is_empty()).then_some(Value::Array(ports)),
            limits_unenforced: limits.map(texts).unwrap_or_default(),
            ..Reachability::default()
        };
        for (key, follow) in [("logs", false), ("logs_follow", true)] {
            reachability.other.insert(key.to_owned(), self.logs(follow).into());
        }
        reachability
    }

    /// Words of a command that prints what all services say.
    fn logs(&self, follow: bool) -> Vec<String> {
        let (project, file) = (self.names.project(), self.names.inside("compose.json"));
        let mut words: Vec<String> = match self.engine.docker_host.as_str() {
            "" => Vec::new(),
            socket => vec!["env".to_owned(), format!("DOCKER_HOST={socket}")],
        };
        words.extend(self.engine.tool.words().iter().map(|word| (*word).to_owned()));
        words.extend(["-p", &project, "-f", &file, "logs"].map(str::to_owned));
        if self.engine.tool != super::engine::Tool::Podman {
            words.push("--no-color".to_owned());
        }
        if follow {
            words.push("--follow".to_owned());
        }
        words
    }
}
