//! Commands on the machine, within a call.

use super::failure::{garbled, late, of_status};
use crate::machine::{Machine, Machines};
use sandboxer_reach::Route;
use sandboxer_sdk::{Call, CommandLine, CommandOutput};
use sandboxer_types::{ErrorKind, Failure};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a command may take that only looks or writes a little.
pub(super) const SHORT: Duration = Duration::from_secs(60);

/// A constant script and what it is called in the list of processes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

macro_rules! scripts {
    ($($constant:ident = $name:literal),+ $(,)?) => {
        $(pub(super) const $constant: Script =
            Script { name: concat!("sandboxer-", $name), text: include_str!(concat!("scripts/", $name, ".sh")) };)+
    };
}

scripts!(
    LOOK = "look",
    CLAIM = "claim",
    READ = "read",
    COMPOSE = "compose",
    KEEP = "keep",
    STATE = "state",
    REMOVE = "remove",
    VERIFY = "verify",
    LIST = "list",
);

impl Script {
    /// The words that run it with these parameters.
    pub(super) fn words<I, S>(self, parameters: I) -> Vec<String>
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let head = ["/bin/sh", "-c", self.text, self.name].map(str::to_owned);
        head.into_iter().chain(parameters.into_iter().map(Into::into)).collect()
    }
}

/// The machine of one call, and the call.
pub(super) struct Host<'a> {
    pub(super) call: &'a Call,
    pub(super) machine: Arc<dyn Machine>,
}

impl<'a> Host<'a> {
    /// Opens the call's machine. Nothing was done there.
    pub(super) async fn open(machines: &dyn Machines, call: &'a Call) -> Result<Self, Failure> {
        let route = Route::to(call.ssh.clone());
        let machine = tokio::select! {
            machine = machines.open(&route) => machine?,
            end = call.ended() => return Err(end.failure()),
        };
        Ok(Self { call, machine })
    }

    /// Runs a command. However it ends is for the caller to judge.
    ///
    /// # Errors
    ///
    /// The machine was lost, the command took longer than `limit`, or the call ended.
    pub(super) async fn run(
        &self,
        command: &CommandLine,
        limit: Duration,
        doing: &str,
    ) -> Result<CommandOutput, Failure> {
        let left = self.call.deadline.saturating_duration_since(Instant::now());
        tokio::select! {
            output = self.machine.run(command, limit.min(left)) => output.map_err(|failure| match failure.kind {
                ErrorKind::Deadline => late(doing).with_residue(failure.residue),
                _ => failure,
            }),
            end = self.call.ended() => Err(end.failure()),
        }
    }

    /// Runs a script that only its own statuses speak for, to the standard output of a success.
    pub(super) async fn script(
        &self,
        script: Script,
        parameters: &[&str],
        stdin: Vec<u8>,
        doing: &str,
    ) -> Result<Vec<u8>, Failure> {
        let command = CommandLine::new(script.words(parameters.iter().copied())).with_stdin(stdin);
        let output = self.run(&command, SHORT, doing).await?;
        match of_status(&output, doing) {
            None => Ok(output.stdout),
            Some(failure) => Err(failure),
        }
    }

    /// The same, to text.
    pub(super) async fn text(&self, script: Script, parameters: &[&str], doing: &str) -> Result<String, Failure> {
        let bytes = self.script(script, parameters, Vec::new(), doing).await?;
        String::from_utf8(bytes).map_err(|_| garbled(doing))
    }

    /// What ssh is told to reach it by; `None` for this machine.
    pub(super) fn ssh(&self) -> Option<String> {
        self.call.ssh.as_ref().map(ToString::to_string)
    }
}
