//! How machines are reached: this one by a daemon of its own, others by the user's own `ssh`, with what it needs in the state
//! directory.

use crate::config::{Config, secret_variables};
use crate::hosts::is_alias;
use async_trait::async_trait;
use sandboxer_broker::Machines;
use sandboxer_reach::{
    Doorway, Entered, ExecEvent, ExecRequest, Lease, Machine, ReachError, ReachErrorKind, Route, Session, SshSettings,
};
use sandboxer_types::HostId;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Of what an end says, so many bytes are kept.
const MOST_SAID: usize = 4096;
/// The agent that is put on machines is this very program.
const PROGRAM: &str = "/proc/self/exe";

/// Machines, as the engine reaches them.
pub(crate) struct ReachedMachines {
    ways: Arc<sandboxer_reach::Machines>,
    ssh_config: Option<PathBuf>,
}

/// Ways to machines; extensions and the engine share them.
pub(crate) fn ways(config: &Config) -> Arc<sandboxer_reach::Machines> {
    let settings = SshSettings { config: config.ssh_config.clone(), ..SshSettings::new(config.ssh()) };
    Arc::new(sandboxer_reach::Machines::new(settings, PROGRAM, config.here()).without(secret_variables()))
}

impl ReachedMachines {
    pub(crate) fn new(ways: Arc<sandboxer_reach::Machines>, config: &Config) -> Self {
        Self { ways, ssh_config: config.ssh_config.clone() }
    }
}

#[async_trait]
impl Machines for ReachedMachines {
    async fn is_alias(&self, name: &HostId) -> bool {
        is_alias(name, self.ssh_config.as_deref()).await
    }

    async fn enter(&self, route: &Route, door: &Doorway) -> Result<Entered, ReachError> {
        self.ways.at(route).await?.enter(door).await
    }

    async fn visit(&self, route: &Route) -> Result<Entered, ReachError> {
        self.ways.at(route).await?.session().await
    }

    async fn place_lease(
        &self,
        route: &Route,
        name: &str,
        span: Duration,
        expire: &[String],
    ) -> Result<(), ReachError> {
        let machine = self.ways.at(route).await?;
        if expire.is_empty() {
            // Then at least what runs there under its name comes to an end.
            return machine.place_lease(name, span, &end_words(&machine, name).await?).await;
        }
        machine.place_lease(name, span, expire).await
    }

    async fn release_lease(&self, route: &Route, name: &str) -> Result<(), ReachError> {
        let machine = self.ways.at(route).await?;
        end_sandbox(&machine, name).await?;
        machine.release_lease(name).await
    }

    async fn leases(&self, route: &Route) -> Result<Vec<Lease>, ReachError> {
        self.ways.at(route).await?.leases().await
    }
}

/// The words of a command that ends what runs on a machine under a sandbox's name: its own agent, and what that has started.
async fn end_words(machine: &Machine, sandbox: &str) -> Result<[String; 4], ReachError> {
    Ok([machine.agent_path().await?, "agent".to_owned(), "--end".to_owned(), sandbox.to_owned()])
}

/// Ends what runs there under its name.
async fn end_sandbox(machine: &Machine, sandbox: &str) -> Result<(), ReachError> {
    let words = end_words(machine, sandbox).await?;
    let mut execution = machine.agent().await?.exec(ExecRequest::new(words)).await?;
    let mut said = Vec::new();
    while let Some(event) = execution.next_event().await? {
        if let ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) = event {
            said.extend_from_slice(&bytes);
            said.truncate(MOST_SAID);
        }
    }
    if execution.wait().await?.success() {
        return Ok(());
    }
    let message = format!("what runs under its name on {} does not end", machine.route());
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Err(ReachError::new(ReachErrorKind::Precondition, message).with_source(said))
}
