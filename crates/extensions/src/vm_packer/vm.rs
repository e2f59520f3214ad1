//! Commands on the machine, within a call.

use super::failure::explain;
use super::mark::Mark;
use super::names::{Names, account};
use super::survey::{Standing, Survey};
use super::target::Target;
use crate::machine::{Machine, Machines};
use sandboxer_sdk::{Call, CommandLine, CommandOutput};
use sandboxer_types::{ErrorKind, Failure, SandboxId};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a command may take that only looks or writes a little.
pub(super) const SHORT: Duration = Duration::from_secs(60);

/// A constant script and what it is called in the list of processes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    name: &'static str,
    text: &'static str,
}

macro_rules! scripts {
    ($($constant:ident = $name:literal),+ $(,)?) => {
        $(pub(super) const $constant: Script =
            Script { name: concat!("sandboxer-", $name), text: include_str!(concat!("scripts/", $name, ".sh")) };)+
    };
}

scripts!(
    SURVEY = "survey",
    CLAIM = "claim",
    ACCOUNT = "account",
    PREPARE = "prepare",
    FINISH = "finish",
    LIST = "list",
    END = "end",
);

impl Script {
    fn words(self, prefix: &[String], parameters: &[&str]) -> Vec<String> {
        let head = ["/bin/sh", "-c", self.text, self.name].into_iter();
        let words = head.chain(parameters.iter().copied()).map(str::to_owned);
        prefix.iter().cloned().chain(words).collect()
    }
}

/// The machine of one call, and the call.
pub(super) struct Vm<'a> {
    pub(super) call: &'a Call,
    pub(super) machine: Arc<dyn Machine>,
}

/// A sandbox's place on its machine, just looked at.
pub(super) struct Place {
    pub(super) names: Names,
    pub(super) survey: Survey,
}

impl Place {
    /// The mark, where the folder is this sandbox's.
    pub(super) fn mark(&self) -> Option<&Mark> {
        match &self.survey.standing {
            Standing::Own(mark) => Some(mark),
            Standing::Nothing | Standing::Others(_) | Standing::Foreign => None,
        }
    }

    /// Words before a command that is done for the sandbox: root's, where it has a user of its own.
    pub(super) fn prefix(&self) -> &[String] {
        match &self.survey.root {
            Some(root) if self.names.separate_users => root,
            _ => &[],
        }
    }
}

impl<'a> Vm<'a> {
    /// Opens the machine. Nothing was done there.
    pub(super) async fn open(machines: &dyn Machines, call: &'a Call, target: &Target) -> Result<Self, Failure> {
        let machine = tokio::select! {
            machine = machines.open(&target.route) => machine?,
            end = call.ended() => return Err(end.failure()),
        };
        Ok(Self { call, machine })
    }

    /// Runs a command. However it ends is for the caller to judge.
    pub(super) async fn run(&self, command: &CommandLine, limit: Duration) -> Result<CommandOutput, Failure> {
        let left = self.call.deadline.saturating_duration_since(Instant::now());
        tokio::select! {
            output = self.machine.run(command, limit.min(left)) => output,
            end = self.call.ended() => Err(end.failure()),
        }
    }

    /// Runs a script that only its own statuses speak for, to the standard output of a success.
    pub(super) async fn script(
        &self,
        script: Script,
        prefix: &[String],
        parameters: &[&str],
        stdin: Vec<u8>,
        doing: &str,
    ) -> Result<Vec<u8>, Failure> {
        let command = CommandLine::new(script.words(prefix, parameters)).with_stdin(stdin);
        let output = self.run(&command, SHORT).await?;
        match output.status {
            0 => Ok(output.stdout),
            137 | 143 => Err(Failure::new(ErrorKind::Deadline, format!("it took too long to {doing}"))),
            _ => Err(explain(&output, doing)),
        }
    }

    /// Looks at the sandbox's place. Changes nothing.
    pub(super) async fn look(&self, target: &Target, id: &SandboxId) -> Result<Place, Failure> {
        let owner = &self.call.owner;
        let account = if target.separate_users { account(owner, id) } else { String::new() };
        let parameters = [target.workspaces.as_str(), id.as_str(), &account];
        let answer = self.script(SURVEY, &[], &parameters, Vec::new(), "look at the machine").await?;
        let survey = Survey::read(&answer, owner, id)?;
        let names = Names {
            owner: owner.clone(),
            id: id.clone(),
            base: survey.base.clone(),
            separate_users: target.separate_users,
        };
        Ok(Place { names, survey })
    }
}
