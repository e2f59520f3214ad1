//! The calls in flight of one process, and what it says about them.

use super::breach::{Breach, Rule};
use super::redaction::Secrets;
use super::said::{CallLog, Tail, shortened};
use super::trace::Trace;
use crate::wire::{AnswerMessage, CheckpointMessage, FromExtension, LARGEST_DRAFT, LogMessage, Noise, ProgressMessage};
use crate::{CallSink, LogLevel, Progress};
use sandboxer_types::{ExtensionId, Failure, Object};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Why a call has no result.
#[derive(Debug, Clone)]
pub(super) enum CallFault {
    /// The extension says so.
    Refused(Box<Failure>),
    /// The process ended, which may be mere bad luck.
    Died(Breach),
    /// A rule was broken.
    Broken(Breach),
    /// What it wanted to keep could not be kept.
    NotKept(Box<Failure>),
}

impl CallFault {
    /// Nobody is left who could say what became of it.
    pub(super) fn lost() -> Self {
        Self::Died(Breach::new(Rule::Alive, "its process was lost"))
    }
}

pub(super) type Outcome = Result<Value, CallFault>;

struct Pending {
    answer: oneshot::Sender<Outcome>,
    log: CallLog,
}

/// The calls in flight of one process.
pub(super) struct Inbox {
    extension: ExtensionId,
    trace: Option<Arc<dyn Trace>>,
    held: Mutex<Held>,
}

struct Held {
    calls: HashMap<String, Pending>,
    /// What calls had kept last: of use to a second attempt, when the first has no answer.
    drafts: HashMap<String, Object>,
    secrets: Secrets,
    tail: Tail,
    /// Since when there is no call.
    idle_since: Instant,
    /// Why there will be no answer any more.
    closed: Option<CallFault>,
}

impl Inbox {
    pub(super) fn new(extension: ExtensionId, trace: Option<Arc<dyn Trace>>) -> Self {
        let held = Held {
            calls: HashMap::new(),
            drafts: HashMap::new(),
            secrets: Secrets::default(),
            tail: Tail::default(),
            idle_since: Instant::now(),
            closed: None,
        };
        Self { extension, trace, held: Mutex::new(held) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Expects the answer to a call.
    pub(super) fn expect(
        &self,
        id: &str,
        sink: Arc<dyn CallSink>,
        secrets: &std::collections::BTreeMap<String, String>,
    ) -> oneshot::Receiver<Outcome> {
        let (answer, receiver) = oneshot::channel();
        let mut held = self.held();
        held.secrets.add(secrets.values());
        match &held.closed {
            // Whoever asked may have gone meanwhile.
            Some(fault) => drop(answer.send(Err(fault.clone()))),
            None => {
                let pending = Pending { answer, log: CallLog::new(sink) };
                held.calls.insert(id.to_owned(), pending);
            }
        }
        receiver
    }

    /// Expects it no longer. What the call had kept last.
    pub(super) fn give_up(&self, id: &str) -> Option<Object> {
        let mut held = self.held();
        if let Some(pending) = held.remove(id) {
            pending.log.end(&self.extension);
        }
        held.drafts.remove(id)
    }

    /// Since when there is no call in flight; `None` while there is one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let held = self.held();
        held.calls.is_empty().then_some(held.idle_since)
    }

    /// Ends every call in flight, and whatever else is asked. Gives out the lines of the standard error.
    pub(super) fn close(&self, fault: CallFault) {
        let mut held = self.held();
        held.closed = Some(fault.clone());
        for (_, pending) in held.calls.drain() {
            pending.log.end(&self.extension);
            // Whoever asked may have gone meanwhile.
            drop(pending.answer.send(Err(fault.clone())));
        }
    }

    /// The last lines of the standard error.
    pub(super) fn tail(&self) -> Vec<String> {
        self.held().tail.lines()
    }

    /// A line that was sent.
    pub(super) fn sent(&self, line: &str) {
        if let Some(trace) = &self.trace {
            trace.sent(&self.held().secrets.hide_in_line(line.trim_end()));
        }
    }

    /// A line of the standard error.
    pub(super) fn said(&self, line: &[u8]) {
        let mut held = self.held();
        let line = held.secrets.hide(&String::from_utf8_lossy(line));
        if let Some(trace) = &self.trace {
            trace.said(&line);
        }
        held.tail.push(shortened(&line));
        held.note(&self.extension, LogLevel::Info, &line);
    }

    /// A line of the standard output. An error ends the process.
    pub(super) async fn heard(&self, line: &[u8]) -> Result<(), CallFault> {
        if line.is_empty() {
            return Ok(());
        }
        if let Some(trace) = &self.trace {
            let shown = self.held().secrets.hide_in_line(&String::from_utf8_lossy(line));
            trace.received(&shown);
        }
        match FromExtension::hear(line) {
            Ok(FromExtension::Answer(answer)) => self.answered(answer),
            Ok(FromExtension::Progress(progress)) => {
                self.progressed(progress);
                Ok(())
            }
            Ok(FromExtension::Log(LogMessage { call, level, message })) => {
                self.logged(&call, level, &message);
                Ok(())
            }
            Ok(FromExtension::Checkpoint(checkpoint)) => self.checkpointed(checkpoint).await,
            Err(Noise::Printed) => {
                let mut held = self.held();
                let shown = shortened(&held.secrets.hide(&String::from_utf8_lossy(line)));
                let said = format!("`{}` broke the rule `stdout`, which is for messages only: {shown}", self.extension);
                held.note(&self.extension, LogLevel::Warning, &said);
                Ok(())
            }
            Err(Noise::Broken(why)) => {
                Err(CallFault::Broken(Breach::new(Rule::Message, self.held().secrets.hide(&why))))
            }
        }
    }

    fn answered(&self, AnswerMessage { id, outcome }: AnswerMessage) -> Result<(), CallFault> {
        let mut held = self.held();
        let Some(id) = id else {
            let said = outcome.err().map(|error| error.message).unwrap_or_default();
            let what = format!("it took a request for something else: {}", held.secrets.hide(&said));
            return Err(CallFault::Broken(Breach::new(Rule::Message, what)));
        };
        let Some(pending) = held.remove(&id) else {
            let what = format!("it answered `{}`, which is not in flight", shortened(&id));
            if held.calls.is_empty() {
                tracing::warn!(extension = %self.extension, rule = %Rule::OwnAnswer, "{what}");
            }
            return Err(CallFault::Broken(Breach::new(Rule::OwnAnswer, what)));
        };
        pending.log.end(&self.extension);
        let outcome = match outcome {
            Ok(result) => Ok(result),
            Err(error) => Err(CallFault::Refused(Box::new(hidden(Failure::from(error), &held.secrets)))),
        };
        // Whoever asked may have gone meanwhile.
        drop(pending.answer.send(outcome));
        Ok(())
    }

    fn progressed(&self, ProgressMessage { call, phase, message, current, total }: ProgressMessage) {
        let held = self.held();
        let Some(pending) = held.calls.get(&call) else { return };
        let shown = |text: &str| shortened(&held.secrets.hide(text));
        let progress = Progress { phase: shown(&phase), message: shown(&message), current, total };
        pending.log.sink().progress(progress);
    }

    fn logged(&self, call: &str, level: LogLevel, message: &str) {
        let mut held = self.held();
        let line = held.secrets.hide(message);
        if let Some(pending) = held.calls.get_mut(call) {
            pending.log.add(level, &line);
        }
    }

    /// Returns once the draft is durable.
    async fn checkpointed(&self, CheckpointMessage { call, draft }: CheckpointMessage) -> Result<(), CallFault> {
        let sink = {
            let mut held = self.held();
            let value = Value::Object(draft.clone());
            let broken = |rule, what: &str| Err(CallFault::Broken(Breach::new(rule, what)));
            if value.to_string().len() > LARGEST_DRAFT {
                return broken(Rule::Size, "a draft has more than 64 KiB");
            }
            if held.secrets.are_in(&value) {
                return broken(Rule::Secret, "a draft holds a secret");
            }
            let Some(pending) = held.calls.get(&call) else { return Ok(()) };
            let sink = pending.log.sink().clone();
            held.drafts.insert(call, draft.clone());
            sink
        };
        sink.checkpoint(draft).await.map_err(|failure| CallFault::NotKept(Box::new(failure)))
    }

    /// The result without secrets, wherever they stand.
    pub(super) fn hide_in(&self, value: Value) -> Value {
        self.held().secrets.hide_in(value)
    }

    /// Whether the result holds a secret.
    pub(super) fn secrets_are_in(&self, value: &Value) -> bool {
        self.held().secrets.are_in(value)
    }
}

impl Held {
    fn remove(&mut self, id: &str) -> Option<Pending> {
        let pending = self.calls.remove(id);
        if self.calls.is_empty() {
            self.idle_since = Instant::now();
        }
        pending
    }

    /// Keeps a line that names no call: with the only one in flight, else with the engine's own log.
    fn note(&mut self, extension: &ExtensionId, level: LogLevel, line: &str) {
        let mut calls = self.calls.values_mut();
        match (calls.next(), calls.next()) {
            (Some(only), None) => only.log.add(level, line),
            _ if level == LogLevel::Warning => tracing::warn!(%extension, "{}", shortened(line)),
            _ => tracing::info!(%extension, "{}", shortened(line)),
        }
    }
}

/// The failure without secrets.
fn hidden(failure: Failure, secrets: &Secrets) -> Failure {
    let mut failure = failure;
    failure.message = shortened(&secrets.hide(&failure.message));
    failure.hint = failure.hint.map(|hint| secrets.hide(&hint));
    failure.causes = failure.causes.iter().map(|cause| secrets.hide(cause)).collect();
    for fault in &mut failure.fields {
        fault.field = secrets.hide(&fault.field);
        fault.message = secrets.hide(&fault.message);
    }
    if let Value::Object(details) = secrets.hide_in(Value::Object(std::mem::take(&mut failure.details))) {
        failure.details = details;
    }
    failure.handle = failure.handle.filter(|handle| !secrets.are_in(&Value::Object(handle.members().clone())));
    failure
}
