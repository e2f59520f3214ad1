//! One sandbox's record while it is being worked on: every change is durable before anyone acts on it.

use crate::control::Observer;
use crate::state::{OperationKind, Record, Step};
use crate::store::{NewEvent, Store};
use async_trait::async_trait;
use sandboxer_sdk::{CallSink, Clock, LogLevel, Progress};
use sandboxer_types::{ErrorKind, EventKind, Failure, Object, Residue, State};
use std::sync::{Arc, Mutex, PoisonError};

/// The record that an operation owns, and the words said meanwhile. Also where an extension's words go.
pub(crate) struct Journal {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    record: tokio::sync::Mutex<Record>,
    /// Log lines wait here for the next durable write, which takes them along.
    pending: Mutex<Vec<NewEvent>>,
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
        let mut events = std::mem::take(&mut *self.lock_pending());
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

    fn lock_pending(&self) -> std::sync::MutexGuard<'_, Vec<NewEvent>> {
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
            let mut event = NewEvent::new(EventKind::Checkpointed, "the backend gave ids of its own");
            event.data.clone_from(draft);
            events.push(event);
        }
        Step::CleanupIncomplete(report) => {
            events
                .push(NewEvent::new(EventKind::Failed, format!("cleanup is incomplete: {}", report.errors.join("; "))));
        }
        Step::Provision
        | Step::Provisioned(_)
        | Step::Reached(_)
        | Step::Attached
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
        let mut event = NewEvent::new(EventKind::Log, line);
        if level == LogLevel::Warning {
            event.data.insert("level".to_owned(), "warning".into());
        }
        self.lock_pending().push(event);
    }

    async fn checkpoint(&self, draft: Object) -> Result<(), Failure> {
        self.commit(Change::step(Step::Checkpoint(draft))).await.map(drop)
    }
}
