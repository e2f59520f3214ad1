//! How machines are reached by ssh: by the user's own `ssh`, with what it needs in the state directory.

use crate::config::Config;
use async_trait::async_trait;
use sandboxer_broker::{Machines, reach_failure};
use sandboxer_reach::{AgentPlace, AgentProgram, Connector, ReachError, ReachErrorKind, Ssh, SshMaster, SshSettings};
use sandboxer_types::{ErrorKind, Failure, Residue, SshDestinationFault};
use std::io;
use tokio::sync::OnceCell;

/// The agent that is put on machines is this very program.
const PROGRAM: &str = "/proc/self/exe";

/// Machines that are reached by ssh.
pub(crate) struct SshMachines {
    settings: SshSettings,
    /// Read when it is first needed: that takes its time.
    agent: OnceCell<AgentProgram>,
}

impl SshMachines {
    pub(crate) fn new(config: &Config) -> Self {
        let settings = SshSettings { config: config.ssh_config.clone(), ..SshSettings::new(config.ssh()) };
        Self { settings, agent: OnceCell::new() }
    }

    async fn agent_program(&self) -> Result<AgentProgram, ReachError> {
        let read = || async {
            let memory = self.settings.folder.join("agent");
            let reading = tokio::task::spawn_blocking(move || AgentProgram::remembered(PROGRAM, &memory));
            reading.await.unwrap_or_else(|error| {
                let failed = io::Error::other(error);
                Err(ReachError::new(ReachErrorKind::Local, "cannot read this program").with_source(failed))
            })
        };
        self.agent.get_or_try_init(read).await.cloned()
    }
}

#[async_trait]
impl Machines for SshMachines {
    async fn agent(&self, destination: &str) -> Result<Box<dyn Connector>, Failure> {
        let parsed = destination.parse().map_err(|error: SshDestinationFault| {
            Failure::new(ErrorKind::ContractViolation, error.to_string()).with_residue(Residue::Present)
        })?;
        let failed = |error: ReachError| reach_failure(&error);
        let master = SshMaster::new(self.settings.clone(), parsed).map_err(failed)?;
        let agent = self.agent_program().await.map_err(failed)?;
        Ok(Box::new(Ssh::new(master, agent, AgentPlace::default())))
    }
}
