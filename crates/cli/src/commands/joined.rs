//! A command inside that is followed to its end, also when the connection to it breaks.

use super::Session;
use crate::error::CommandResult;
use sandboxer_broker::reach_failure;
use sandboxer_reach::{ExecEvent, Execution, ExitStatus, InputHandle, ProcessSelector, ReachError, ReachErrorKind};
use sandboxer_types::{ErrorKind, Failure, SandboxId};
use std::time::Duration;
use tokio::sync::watch;

/// So often in a row a broken connection is made again.
const MOST_ATTEMPTS: u32 = 5;
/// Before the first of them; each later one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A followed command. When its connection breaks, another one goes on at the very byte where the first one ended.
pub(super) struct Joined<'a> {
    session: &'a Session<'a>,
    sandbox_id: SandboxId,
    execution: Execution,
    input: watch::Sender<InputHandle>,
    /// Why the connection has to be made again.
    broken: Option<ReachError>,
    attempts: u32,
}

impl<'a> Joined<'a> {
    pub(super) fn new(session: &'a Session<'a>, sandbox_id: SandboxId, execution: Execution) -> Self {
        let input = watch::Sender::new(execution.input());
        Self { session, sandbox_id, execution, input, broken: None, attempts: 0 }
    }

    /// Its input, as the present connection has it.
    pub(super) fn input(&self) -> InputHandle {
        self.input.borrow().clone()
    }

    /// The same for somebody who outlives the present connection.
    pub(super) fn inputs(&self) -> watch::Receiver<InputHandle> {
        self.input.subscribe()
    }

    pub(super) fn has_terminal(&self) -> bool {
        self.execution.has_terminal()
    }

    /// As [`Execution::next_event`].
    pub(super) async fn next_event(&mut self) -> CommandResult<Option<ExecEvent>> {
        loop {
            self.mend().await?;
            match self.execution.next_event().await {
                Err(error) if error.kind() == ReachErrorKind::Unreachable => self.broken = Some(error),
                Err(error) => return Err(error.into()),
                Ok(event) => {
                    self.attempts = 0;
                    return Ok(event);
                }
            }
        }
    }

    /// As [`Execution::wait`].
    pub(super) async fn wait(&mut self) -> CommandResult<ExitStatus> {
        loop {
            self.mend().await?;
            match self.execution.wait().await {
                Err(error) if error.kind() == ReachErrorKind::Unreachable => self.broken = Some(error),
                other => return Ok(other?),
            }
        }
    }

    /// Makes a broken connection again. May be dropped at any time, and called again.
    async fn mend(&mut self) -> CommandResult<()> {
        while let Some(broken) = &self.broken {
            if self.attempts == MOST_ATTEMPTS {
                return Err(reach_failure(broken).into());
            }
            let pause = FIRST_PAUSE * 2_u32.pow(self.attempts);
            self.attempts += 1;
            tokio::time::sleep(pause).await;
            let entrance = match self.session.control().enter(&self.sandbox_id).await {
                Ok(entrance) => entrance,
                Err(failure) if failure.kind == ErrorKind::Unavailable => continue,
                Err(failure) => return Err(because(broken, failure).into()),
            };
            let process = ProcessSelector::Pid(self.execution.pid());
            match entrance.session.attach(&process, Some(self.execution.offset())).await {
                Ok(execution) => self.go_on(execution),
                Err(error) if error.kind() == ReachErrorKind::Unreachable => {}
                Err(error) => return Err(because(broken, reach_failure(&error)).into()),
            }
        }
        Ok(())
    }

    fn go_on(&mut self, execution: Execution) {
        tracing::debug!(offset = execution.offset(), "the connection was made again");
        self.input.send_replace(execution.input());
        self.execution = execution;
        self.broken = None;
    }
}

/// That the connection broke, and why it cannot be made again.
fn because(broken: &ReachError, why: Failure) -> Failure {
    let mut failure = reach_failure(broken);
    failure.causes = vec![why.message];
    failure.hint = why.hint;
    failure
}
