//! How machines are reached: this one by a daemon of its own, others by the user's own `ssh`, with what it needs in the state
//! directory.

use crate::config::{Config, secret_variables};
use crate::hosts::is_alias;
use async_trait::async_trait;
use sandboxer_broker::Machines;
use sandboxer_reach::{Doorway, Entered, Lease, ReachError, Route, SshSettings};
use sandboxer_types::HostId;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
        self.ways.at(route).await?.place_lease(name, span, expire).await
    }

    async fn release_lease(&self, route: &Route, name: &str) -> Result<(), ReachError> {
        self.ways.at(route).await?.release_lease(name).await
    }

    async fn leases(&self, route: &Route) -> Result<Vec<Lease>, ReachError> {
        self.ways.at(route).await?.leases().await
    }
}
