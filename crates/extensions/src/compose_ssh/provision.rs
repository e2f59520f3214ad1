//! Makes a sandbox, or goes on where an earlier attempt stopped.

use super::engine::{Engine, Found, Tool};
use super::failure::{explain, precondition, with_something_left};
use super::host::{CLAIM, COMPOSE, Host, KEEP, SHORT};
use super::inputs::{self, Place, Plan};
use super::judge::Verdict;
use super::names::Names;
use super::resolve::Resolving;
use super::run_file::RunFile;
use super::{ready, remove};
use crate::git;
use crate::machine::{Machines, lease_span};
use crate::source::Source;
use sandboxer_sdk::{Call, CommandLine, CommandOutput, Provision};
use sandboxer_types::{ErrorKind, Failure, Handle, Residue};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a clone or the start of a stack may take when the call has no end of its own.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// A sandbox that is being made.
struct Making<'a> {
    host: Host<'a>,
    names: Names,
    engine: Engine,
    plan: Plan,
    request: &'a Provision,
}

/// What a claim found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claimed {
    /// Nothing: the folder is new.
    New,
    /// The same sandbox, or a part of it.
    There,
    /// A sandbox of another state directory.
    Foreign,
}

/// Makes the sandbox, or finds that it was made already.
pub(super) async fn provision(machines: &dyn Machines, call: &Call, request: &Provision) -> Result<Handle, Failure> {
    let plan = inputs::admit(request)?;
    let nothing = |failure: Failure| failure.with_residue(Residue::None);
    call.check().map_err(|end| nothing(end.failure()))?;
    let host = Host::open(machines, call).await.map_err(nothing)?;
    let found = Found::on(&host).await?;
    let (engine, names) = (found.engine()?, found.names(&host)?);
    let making = Making { host, names, engine, plan, request };
    making.place_lease().await?;
    let claimed = making.claim().await?;
    if claimed == Claimed::Foreign {
        return Err(making.not_ours().await);
    }
    match making.prepare().await {
        Ok(run_file) => making.start(&run_file).await.map_err(with_something_left),
        // No container was made: what stands there is only ours to remove.
        Err(failure) if claimed == Claimed::New => Err(making.withdraw(failure).await),
        Err(failure) => Err(failure.with_residue(Residue::Present)),
    }
}

impl Making<'_> {
    /// Before the first effect: should nobody ever come back, the machine removes it by itself.
    async fn place_lease(&self) -> Result<(), Failure> {
        let span = lease_span(self.request.ttl.as_duration());
        let expire = remove::words(&self.engine, &self.names);
        let placed = self.host.machine.place_lease(self.names.lease().as_str(), span, &expire).await;
        match placed {
            Ok(()) => Ok(()),
            Err(failure) if failure.kind == ErrorKind::Unsupported => {
                self.host.call.warn(format!("nobody there ends the sandbox when this machine is gone: {failure}"));
                Ok(())
            }
            // A lease alone is nothing: it removes what is not there.
            Err(failure) => Err(failure.with_residue(Residue::None)),
        }
    }

    /// Makes the folder. Whatever it says, nothing of another sandbox was touched.
    async fn claim(&self) -> Result<Claimed, Failure> {
        let about = json!({
            "labels": self.names.labels(self.host.call), "engine": self.engine.to_value(),
            "expires_at": self.request.expires_at.to_string(),
        });
        let (folder, owner) = (self.names.folder(), self.names.owner().to_string());
        let parameters = [folder.as_str(), &owner, &self.digest()];
        let command = CommandLine::new(CLAIM.words(parameters)).with_stdin(about.to_string());
        let doing = "make the sandbox's folder";
        let output = self.host.run(&command, SHORT, doing).await?;
        match output.status {
            0 if output.text() == "made" => Ok(Claimed::New),
            0 => Ok(Claimed::There),
            20 => Ok(Claimed::Foreign),
            21 => Err(conflict("a sandbox of that id stands there, and was made with other inputs")),
            _ => Err(explain(&output, doing)),
        }
    }

    /// Of a sandbox of another state directory, nothing is ours but the lease that was just placed.
    async fn not_ours(&self) -> Failure {
        let failure = conflict("a sandbox of that id stands there, and another state directory made it");
        match self.host.machine.release_lease(self.names.lease().as_str()).await {
            Ok(_) => failure.with_residue(Residue::None),
            Err(also) => failure.caused_by(&also),
        }
    }

    /// What the sandbox was asked to be.
    fn digest(&self) -> String {
        let profile = &self.request.profile;
        let asked = json!({
            "inputs": self.request.inputs, "options": profile.options, "resources": profile.resources,
            "network": profile.network,
        });
        blake3::hash(asked.to_string().as_bytes()).to_hex().to_string()
    }

    /// The repository is there, and the file that runs was checked.
    async fn prepare(&self) -> Result<RunFile, Failure> {
        let call = self.host.call;
        call.progress("workspace", format!("putting the repository on {}", self.request.host));
        self.fill().await?;
        call.progress("compose", "resolving the compose file");
        let agent = match self.plan.place {
            Place::Host => None,
            Place::Service => match self.host.machine.agent_path().await {
                Ok(path) => Some(path),
                Err(failure) if failure.kind == ErrorKind::Unsupported => {
                    call.warn(format!("commands run without our agent: {failure}"));
                    None
                }
                Err(failure) => return Err(failure),
            },
        };
        let resolving = Resolving { host: &self.host, names: &self.names, engine: &self.engine, plan: &self.plan };
        let run_file = resolving.run_file(agent).await?;
        for remark in &run_file.remarks {
            call.log(remark.clone());
        }
        Ok(run_file)
    }

    async fn fill(&self) -> Result<(), Failure> {
        match &self.plan.source {
            Source::Directory(path) => {
                let work = self.names.work();
                tokio::select! {
                    report = self.host.machine.sync(path, &work) => {
                        let report = report?;
                        self.host.call.log(format!("{} of {} entries were sent", report.sent, report.entries));
                        Ok(())
                    }
                    end = self.host.call.ended() => Err(end.failure()),
                }
            }
            Source::Url { url, reference } => self.clone(url, reference.as_deref()).await,
        }
    }

    /// Clones with the machine's own git.
    async fn clone(&self, url: &str, reference: Option<&str>) -> Result<(), Failure> {
        let (work, cloned) = (self.names.work(), self.names.inside("cloned"));
        if self.host.run(&CommandLine::new(["test", "-e", &cloned]), SHORT, "look for the clone").await?.success() {
            return Ok(());
        }
        // Half of one, of an attempt that died.
        self.run_or_explain(&["rm", "-rf", "--", &work], "remove half a clone").await?;
        self.git(&git::clone(url, &work), url).await?;
        if let Some(reference) = reference {
            self.git(&git::checkout(url, &work, reference), url).await?;
        }
        self.host.script(KEEP, &[&cloned], Vec::new(), "note that the clone is whole").await.map(drop)
    }

    async fn git(&self, command: &CommandLine, url: &str) -> Result<(), Failure> {
        let output = self.host.run(command, LONG, "clone the repository").await?;
        match output.status {
            0 => Ok(()),
            126 | 127 => Err(precondition("the machine has no git").with_hint("install git there")),
            _ => Err(git::explain(&output, url)),
        }
    }

    async fn run_or_explain(&self, words: &[&str], doing: &str) -> Result<(), Failure> {
        let output = self.host.run(&CommandLine::new(words.iter().copied()), SHORT, doing).await?;
        if output.success() { Ok(()) } else { Err(explain(&output, doing)) }
    }

    /// Brings the stack up, and keeps what is needed to find it again.
    async fn start(&self, run_file: &RunFile) -> Result<Handle, Failure> {
        let call = self.host.call;
        call.progress("compose", "bringing the stack up");
        let (folder, file) = (self.names.folder(), self.names.inside("compose.json"));
        let (project, variables) = (self.names.project(), self.names.inside("variables.up"));
        let handle = self.handle(run_file);
        let kept = Value::Object(handle.members().clone()).to_string();
        let last = self.names.inside("handle");
        let mut words = vec![folder.as_str(), &file, &last, &kept];
        words.extend(self.engine.tool.words());
        if self.engine.tool == Tool::Podman {
            words.extend(["--in-pod", "false"]);
        }
        words.extend(["-p", &project, "--env-file", &variables, "-f", &file, "up", "-d"]);
        if self.plan.build {
            words.push("--build");
        }
        let document = Value::Object(run_file.document.clone()).to_string();
        let command = CommandLine::new(COMPOSE.words(words)).with_stdin(document);
        let output = self.host.run(&command, LONG, "bring the stack up").await?;
        if output.success() { Ok(handle) } else { Err(self.why_not_up(&output).await) }
    }

    fn handle(&self, run_file: &RunFile) -> Handle {
        let mut handle = Handle::minimal(self.names.id(), &self.request.host)
            .with("remote_dir", self.names.work())
            .with("compose_project", self.names.project())
            .with("engine", self.engine.to_value())
            .with("services", run_file.services.clone())
            .with("limits_unenforced", run_file.limits_unenforced.clone());
        if let Some(ssh) = self.host.ssh() {
            handle = handle.with("ssh", ssh);
        }
        if let Some(entered) = &run_file.entered {
            handle = handle.with("service", entered.clone());
        }
        handle
    }

    /// A stack that does not come up usually has a container that failed; its last words tell more than the tool's.
    async fn why_not_up(&self, output: &CommandOutput) -> Failure {
        let failure = explain(output, "bring the stack up");
        if failure.kind != ErrorKind::Precondition {
            return failure;
        }
        let failure = match ready::look(&self.host, &self.engine, &self.names).await {
            Ok(state) => match state.verdict() {
                Verdict::Failed(why, Some(container)) => {
                    return ready::not_ready(&self.host, &self.engine, why, Some(container)).await;
                }
                _ => failure,
            },
            Err(unknown) => failure.caused_by(&unknown),
        };
        let failure = failure.with_hint("mend the stack or its images, and create the sandbox again");
        Failure { kind: ErrorKind::NotReady, ..failure }.with_retry(sandboxer_types::Retry::AfterFix)
    }

    /// Removes what a refused request has left, so that it is as if nobody had asked.
    async fn withdraw(&self, failure: Failure) -> Failure {
        // The call may be over, and this must not be.
        let mut call = self.host.call.clone();
        call.cancel = tokio_util::sync::CancellationToken::new();
        call.deadline = tokio::time::Instant::now() + SHORT;
        let host = Host { call: &call, machine: self.host.machine.clone() };
        let removed = remove::remove(&host, std::slice::from_ref(&self.engine), &self.names).await;
        match removed {
            Ok(report) if report.complete => failure.with_residue(Residue::None),
            Ok(_) => with_something_left(failure),
            Err(also) => with_something_left(failure.caused_by(&also)),
        }
    }
}

fn conflict(message: &str) -> Failure {
    Failure::new(ErrorKind::Conflict, message)
        .with_residue(Residue::Present)
        .with_hint("remove that sandbox first, or choose another id")
}
