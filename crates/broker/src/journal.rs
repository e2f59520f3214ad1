//! One sandbox's record while it is being worked on: every change is durable before anyone acts on it.

use crate::control::Observer;
use crate::state::{Lifecycle, OperationKind, Record, Step};
use crate::store::{NewEvent, Store};
use async_trait::async_trait;
use sandboxer_sdk::{CallSink, Clock, LogLevel, Progress};
use sandboxer_types::{ErrorKind, EventKind, Failure, Object, Residue, State};
use std::sync::{Arc, Mutex, PoisonError};

/// So many members of a draft are named in the log.
const MOST_NAMES: usize = 20;

/// The record that an operation owns, and the words said meanwhile. Also where an extension's words go.
pub(crate) struct Journal {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    record: tokio::sync::Mutex<Record>,
    /// Log lines wait here for the next durable write, which takes them along.
    pending: Mutex<Pending>,
}

/// The most lines that wait. Who says more, an extension or what is in a sandbox, is not trusted with our memory.
const MOST_LINES: usize = 2_000;
/// The most bytes that they have together.
const MOST_BYTES: usize = 1 << 20;

/// Lines that are not durable yet.
#[derive(Default)]
struct Pending {
    lines: Vec<NewEvent>,
    bytes: usize,
    /// Those that came after the most were there.
    passed_over: usize,
}

impl Pending {
    fn push(&mut self, event: NewEvent) {
        if self.lines.len() >= MOST_LINES || self.bytes.saturating_add(event.message.len()) > MOST_BYTES {
            self.passed_over += 1;
        } else {
            self.bytes += event.message.len();
            self.lines.push(event);
        }
    }

    /// What was kept, and how many were not.
    fn take(&mut self) -> Vec<NewEvent> {
        let Self { mut lines, passed_over, .. } = std::mem::take(self);
        if passed_over > 0 {
            lines.push(line(
                LogLevel::Warning,
                format!("lines that were not kept, since too many came at once: {passed_over}"),
            ));
        }
        lines
    }
}

fn line(level: LogLevel, text: String) -> NewEvent {
    let mut event = NewEvent::new(EventKind::Log, text);
    if level == LogLevel::Warning {
        event.data.insert("level".to_owned(), "warning".into());
    }
    event
}

/// What a durable change of the record consists of.
#[derive(Default)]
pub(crate) struct Change {
    steps: Vec<Step>,
    ambiguous: bool,
    releases: bool,
}

impl Change {
    /// A change of one step.
    pub(crate) fn step(step: Step) -> Self {
        Self { steps: vec![step], ..Self::default() }
    }

    /// Takes another step in the same transaction.
    pub(crate) fn and(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Ends the operation in the same transaction.
    pub(crate) fn and_release(mut self) -> Self {
        self.releases = true;
        self
    }

    /// Notes that an attempt ended without a word on what exists.
    pub(crate) fn ambiguous(mut self, ambiguous: bool) -> Self {
        self.ambiguous = ambiguous;
        self
    }
}

impl Journal {
    /// Works on `record`, which the store already holds in this form.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        record: Record,
    ) -> Arc<Self> {
        Arc::new(Self { store, clock, observer, record: tokio::sync::Mutex::new(record), pending: Mutex::default() })
    }

    /// The record as it is now.
    pub(crate) async fn record(&self) -> Record {
        self.record.lock().await.clone()
    }

    /// Makes a change durable. On an error the record is as it was.
    pub(crate) async fn commit(&self, change: Change) -> Result<Record, Failure> {
        let mut held = self.record.lock().await;
        let mut next = held.clone();
        let mut events = self.lock_pending().take();
        for step in change.steps {
            events.extend(take_step(&mut next, step, self.clock.as_ref())?);
        }
        next.ambiguous |= change.ambiguous;
        if change.releases {
            next.operation = None;
        }
        // Whoever has read the record before now decides on what no longer holds.
        next.epoch += 1;
        self.store.write(held.epoch, &next, events).await?;
        *held = next.clone();
        drop(held);
        self.observer.moved(&next.sandbox_id, next.state());
        Ok(next)
    }

    fn lock_pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one step and says it in an event.
pub(crate) fn take_step(record: &mut Record, step: Step, clock: &dyn Clock) -> Result<Vec<NewEvent>, Failure> {
    let before = record.state();
    let mut events = Vec::new();
    match &step {
        Step::Failed(failure) | Step::FailedWithNothing(failure) => {
            let mut event = NewEvent::new(EventKind::Failed, failure.message.clone());
            event.data.insert("kind".to_owned(), failure.kind.as_str().into());
            event.data.insert("residue".to_owned(), failure.residue.as_str().into());
            events.push(event);
        }
        Step::Forget(note) => events.push(NewEvent::new(EventKind::Forgotten, note.clone())),
        Step::Checkpoint(draft) => {
            // The draft itself is in the record, once; a log of all of them would grow with every one.
            let mut event = NewEvent::new(EventKind::Checkpointed, "the backend gave ids of its own");
            let names: Vec<_> = draft.keys().take(MOST_NAMES).cloned().map(serde_json::Value::from).collect();
            event.data.insert("members".to_owned(), names.into());
            events.push(event);
        }
        Step::CleanupIncomplete(report) => {
            events
                .push(NewEvent::new(EventKind::Failed, format!("cleanup is incomplete: {}", report.errors.join("; "))));
        }
        Step::Provision
        | Step::Provisioned(_)
        | Step::Reached(_)
        | Step::Attach(_)
        | Step::Attached(_)
        | Step::Detached
        | Step::Paused
        | Step::Resumed(_)
        | Step::TearDown(_)
        | Step::CleanedUp(_) => {}
    }
    record
        .take(step, clock.now())
        .map_err(|illegal| Failure::new(ErrorKind::Conflict, illegal.to_string()).with_residue(Residue::Present))?;
    if record.state() != before {
        events.push(moved(before, record.state()));
    }
    Ok(events)
}

/// The event of a change of state.
pub(crate) fn moved(from: State, to: State) -> NewEvent {
    let mut event = NewEvent::new(EventKind::Moved, format!("{from} → {to}"));
    event.data.insert("from".to_owned(), from.as_str().into());
    event.data.insert("to".to_owned(), to.as_str().into());
    event
}

/// The event of one process taking over what another had begun.
pub(crate) fn taken_over(kind: OperationKind, from: &crate::state::ProcessId) -> NewEvent {
    let what = match kind {
        OperationKind::Create => "create",
        OperationKind::Destroy => "destroy",
    };
    NewEvent::new(EventKind::TakenOver, format!("took over the {what} of {from}, which is gone"))
}

#[async_trait]
impl CallSink for Journal {
    fn progress(&self, progress: Progress) {
        self.observer.progress(&progress);
    }

    fn log(&self, level: LogLevel, line: String) {
        self.observer.log(level, &line);
        self.lock_pending().push(self::line(level, line));
    }

    /// Only what is being made has use for a draft; elsewhere it is passed over.
    async fn checkpoint(&self, draft: Object) -> Result<(), Failure> {
        match self.record().await.lifecycle {
            Lifecycle::Provisioning { draft: Some(kept) } if kept == draft => return Ok(()),
            Lifecycle::Provisioning { .. } => {}
            _ => {
                tracing::debug!("a draft of what is made already is passed over");
                return Ok(());
            }
        }
        self.commit(Change::step(Step::Checkpoint(draft))).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(events: &[NewEvent]) -> Vec<&str> {
        events.iter().map(|event| event.message.as_str()).collect()
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_not_kept_is_counted() {
        let mut pending = Pending::default();
        for number in 0..MOST_LINES + 3 {
            pending.push(line(LogLevel::Info, number.to_string()));
        }
        let kept = pending.take();
        assert_eq!(kept.len(), MOST_LINES + 1);
        assert_eq!(
            texts(&kept[MOST_LINES - 1..]),
            ["1999", "lines that were not kept, since too many came at once: 3"]
        );

        pending.push(line(LogLevel::Info, "x".repeat(MOST_BYTES + 1)));
        pending.push(line(LogLevel::Info, "short".to_owned()));
        assert_eq!(texts(&pending.take()), ["short", "lines that were not kept, since too many came at once: 1"]);
        assert!(pending.take().is_empty(), "each is said once");
    }
}
