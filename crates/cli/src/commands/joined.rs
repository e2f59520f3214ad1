//! A command inside that is followed to its end, also when the connection to it breaks.

use super::Session;
use crate::error::CommandResult;
use futures::future::LocalBoxFuture;
use sandboxer_broker::{Entrance, reach_failure};
use sandboxer_reach::{
    ExecEvent, ExecRequest, Execution, ExitStatus, InputHandle, Pace, ProcessSelector, ReachError, ReachErrorKind,
};
use sandboxer_types::{ErrorKind, Failure, SandboxId};
use std::time::Duration;
use tokio::sync::watch;

/// When a connection breaks, the command waits longer than all attempts take.
const LINGER: Duration = Duration::from_secs(15);
/// Whoever joins a command loses nothing of it.
pub(super) const HELD: Pace = Pace::Held { linger: LINGER };
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
    /// The connection being made again. Kept here, so that a key that is pressed meanwhile does not begin it anew.
    mending: Option<LocalBoxFuture<'a, CommandResult<Mended>>>,
    /// How often it was tried since the command last said something.
    attempts: u32,
    /// How the command is kept up with.
    pace: Pace,
}

/// A connection that was made again.
struct Mended {
    execution: Execution,
    attempts: u32,
}

impl<'a> Joined<'a> {
    pub(super) fn new(session: &'a Session<'a>, sandbox_id: SandboxId, execution: Execution, pace: Pace) -> Self {
        let input = watch::Sender::new(execution.input());
        Self { session, sandbox_id, execution, input, mending: None, attempts: 0, pace }
    }

    /// Starts a command and joins it.
    pub(super) async fn start(
        session: &'a Session<'a>,
        entrance: &Entrance,
        mut request: ExecRequest,
    ) -> Result<Self, ReachError> {
        request.linger = Some(LINGER);
        let execution = entrance.session.exec(request).await?;
        Ok(Self::new(session, entrance.status.sandbox_id.clone(), execution, HELD))
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
                Err(error) if error.kind() == ReachErrorKind::Unreachable => self.broke(error),
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
                Err(error) if error.kind() == ReachErrorKind::Unreachable => self.broke(error),
                other => return Ok(other?),
            }
        }
    }

    fn broke(&mut self, broken: ReachError) {
        let place = Place { pid: self.execution.pid(), offset: self.execution.offset(), pace: self.pace };
        let mending = mend(self.session, self.sandbox_id.clone(), place, broken, self.attempts);
        self.mending = Some(Box::pin(mending));
    }

    /// Waits until the connection stands again. May be dropped at any time, and called again.
    async fn mend(&mut self) -> CommandResult<()> {
        let Some(mending) = &mut self.mending else { return Ok(()) };
        let mended = mending.await;
        self.mending = None;
        let Mended { execution, attempts } = mended?;
        tracing::debug!(offset = execution.offset(), "the connection was made again");
        self.input.send_replace(execution.input());
        self.execution = execution;
        self.attempts = attempts;
        Ok(())
    }
}

/// Where a connection broke.
struct Place {
    pid: u32,
    /// Everything before it is known.
    offset: u64,
    pace: Pace,
}

/// Makes a connection again that was broken.
async fn mend(
    session: &Session<'_>,
    sandbox_id: SandboxId,
    place: Place,
    broken: ReachError,
    mut attempts: u32,
) -> CommandResult<Mended> {
    while attempts < MOST_ATTEMPTS {
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempts)).await;
        attempts += 1;
        let entrance = match session.control().enter(&sandbox_id).await {
            Ok(entrance) => entrance,
            Err(failure) if failure.kind == ErrorKind::Unavailable => continue,
            Err(failure) => return Err(because(&broken, failure).into()),
        };
        match entrance.session.attach(&ProcessSelector::Pid(place.pid), Some(place.offset), place.pace).await {
            Ok(execution) => return Ok(Mended { execution, attempts }),
            Err(error) if error.kind() == ReachErrorKind::Unreachable => {}
            Err(error) => return Err(because(&broken, reach_failure(&error)).into()),
        }
    }
    Err(broken.into())
}

/// That the connection broke, and why it cannot be made again.
fn because(broken: &ReachError, why: Failure) -> Failure {
    let mut failure = reach_failure(broken);
    failure.causes = vec![why.message];
    failure.hint = why.hint;
    failure
}
