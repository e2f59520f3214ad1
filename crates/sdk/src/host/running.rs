//! A process of an extension while it runs, as those see it who call it.

use super::attending::{Attending, End, Output, PIECE, Peer};
use super::breach::{Breach, Rule};
use super::child::{ChildProcess, ChildStreams};
use super::inbox::{CallFault, Inbox, Outcome};
use super::input::Input;
use super::program::{HostLimits, Program};
use super::trace::Trace;
use crate::wire::cancel_line;
use crate::{Call, CallEnd, SandboxExtension, serve_over};
use sandboxer_types::{ExtensionId, Lifecycle, Object};
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWrite;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A running process, as those who call it see it.
pub(super) struct Running {
    inbox: Arc<Inbox>,
    input: Input,
    /// Ends the process at once, for this reason.
    condemned: watch::Sender<Option<CallFault>>,
    /// Asks it to end.
    stopping: CancellationToken,
    /// Asks it to end by a signal, without waiting for it first.
    hurrying: CancellationToken,
    /// Turned when nothing of it lives any more.
    gone: watch::Receiver<bool>,
    limits: HostLimits,
    lifecycle: Lifecycle,
}

impl Running {
    /// Starts the program.
    pub(super) async fn start(
        program: &Program,
        limits: HostLimits,
        trace: Option<Arc<dyn Trace>>,
    ) -> Result<Self, Breach> {
        let fault = |error: io::Error| {
            let shown = program.argv.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
            let breach = Breach::new(Rule::Start, format!("`{shown}` cannot be started: {error}"));
            Breach { hint: program.hint.clone(), ..breach }
        };
        let (child, ChildStreams { input, output, errors }) = ChildProcess::start(program).await.map_err(fault)?;
        let peer = Peer { output: Output::Pipe(output), errors: Some(errors), child: Some(child) };
        Ok(Self::new(program.extension.clone(), program.lifecycle, Box::new(input), peer, limits, trace))
    }

    /// Runs an extension of this process, through the codec all the same.
    pub(super) fn in_process(
        id: ExtensionId,
        extension: Arc<dyn SandboxExtension>,
        limits: HostLimits,
        trace: Option<Arc<dyn Trace>>,
    ) -> Self {
        let (ours, theirs) = tokio::io::duplex(PIECE);
        let (output, input) = (ours, theirs);
        let (there_input, here_output) = tokio::io::duplex(PIECE);
        tokio::spawn(async move {
            if let Err(error) = serve_over(extension, there_input, input, std::future::pending()).await {
                tracing::warn!(%error, "an extension of this process ended");
            }
        });
        let peer = Peer { output: Output::Memory(output), errors: None, child: None };
        Self::new(id, Lifecycle::Persistent, Box::new(here_output), peer, limits, trace)
    }

    fn new(
        extension: ExtensionId,
        lifecycle: Lifecycle,
        input: Box<dyn AsyncWrite + Send + Unpin>,
        peer: Peer,
        limits: HostLimits,
        trace: Option<Arc<dyn Trace>>,
    ) -> Self {
        let inbox = Arc::new(Inbox::new(extension, trace));
        let (condemned, condemnation) = watch::channel(None);
        let (buried, gone) = watch::channel(false);
        let (stopping, hurrying) = (CancellationToken::new(), CancellationToken::new());
        let input = Input::new(input, lifecycle == Lifecycle::Oneshot);
        let end = End { condemnation, stopping: stopping.clone(), hurrying: hurrying.clone() };
        let attending = Attending::new(inbox.clone(), input.clone(), peer, end, limits);
        tokio::spawn(async move {
            attending.attend().await;
            buried.send_replace(true);
        });
        Self { inbox, input, condemned, stopping, hurrying, gone, limits, lifecycle }
    }

    /// Whether it can take another call.
    pub(super) fn takes_calls(&self) -> bool {
        !*self.gone.borrow() && !self.stopping.is_cancelled() && self.condemned.borrow().is_none()
    }

    pub(super) fn lives(&self) -> bool {
        !*self.gone.borrow()
    }

    pub(super) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Asks it to end, and waits until nothing of it lives.
    pub(super) async fn stop(&self) {
        self.stopping.cancel();
        self.wait_until_gone().await;
    }

    async fn wait_until_gone(&self) {
        // An error means that the task is gone, and with it the process.
        drop(self.gone.clone().wait_for(|gone| *gone).await);
    }

    /// Sends a request and waits for its answer. Once the call is over it is cancelled, and has a while to answer still;
    /// a process that does not is killed. Also gives the last draft, when there is no answer.
    pub(super) async fn converse(&self, call: &Call, id: &str, line: &str) -> (Outcome, Option<Object>) {
        let mut answer = self.inbox.expect(id, call.sink.clone(), &call.secrets);
        let mut guard = Guard { running: self, id, armed: true };
        self.inbox.sent(line);
        self.input.send(line.to_owned());
        let end = tokio::select! {
            biased;
            outcome = &mut answer => {
                guard.armed = false;
                return self.finished(outcome.unwrap_or_else(|_| Err(CallFault::lost())), id).await;
            }
            end = call.ended() => end,
        };
        self.cancel(id);
        let outcome = match tokio::time::timeout(self.limits.answer, answer).await {
            Ok(outcome) => outcome.unwrap_or_else(|_| Err(CallFault::lost())),
            Err(_) => Err(self.unanswered(end)),
        };
        guard.armed = false;
        self.finished(outcome, id).await
    }

    /// A call that was ended by the process's end has an outcome only when nothing of the process lives.
    async fn finished(&self, outcome: Outcome, id: &str) -> (Outcome, Option<Object>) {
        let draft = self.inbox.give_up(id);
        if matches!(outcome, Err(CallFault::Died(_) | CallFault::Broken(_) | CallFault::NotKept(_))) {
            self.wait_until_gone().await;
        }
        (outcome, draft)
    }

    fn unanswered(&self, end: CallEnd) -> CallFault {
        let why = match end {
            CallEnd::Cancelled => "the call was cancelled",
            CallEnd::Deadline => "the call's time was over",
        };
        let what = format!("no answer within {:?} after {why}", self.limits.answer);
        let breach = Breach::new(Rule::Answer, what).with_said(self.inbox.tail());
        // Whoever else is in flight here is not to blame.
        self.condemn(CallFault::Died(Breach::new(
            Rule::Alive,
            "its process was replaced, since another call was never answered",
        )));
        CallFault::Broken(breach)
    }

    fn condemn(&self, fault: CallFault) {
        self.condemned.send_if_modified(|condemned| {
            let first = condemned.is_none();
            if first {
                *condemned = Some(fault);
            }
            first
        });
    }

    /// A process of one request has no input any more: it hears of it by a signal.
    fn cancel(&self, id: &str) {
        match self.lifecycle {
            Lifecycle::Oneshot => {
                self.hurrying.cancel();
                self.stopping.cancel();
            }
            Lifecycle::Persistent => match cancel_line(id) {
                Ok(line) => {
                    self.inbox.sent(&line);
                    self.input.send(line);
                }
                Err(error) => tracing::error!(%error, "a cancellation cannot be written"),
            },
        }
    }
}

/// Kills the process when whoever waits for an answer is dropped: nothing may be made behind everybody's back.
struct Guard<'a> {
    running: &'a Running,
    id: &'a str,
    armed: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.running.inbox.give_up(self.id);
            self.running.condemn(CallFault::Died(Breach::new(
                Rule::Alive,
                "its process was replaced, since another call was given up",
            )));
        }
    }
}
