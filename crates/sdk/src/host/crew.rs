//! The processes of one extension: one that serves many requests, or one a request.

use super::breach::Breach;
use super::program::{HostLimits, Program};
use super::running::Running;
use super::trace::Trace;
use crate::SandboxExtension;
use sandboxer_types::{ExtensionId, Lifecycle};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// What is run.
pub(super) enum Source {
    /// A program.
    Program(Box<Program>),
    /// An extension of this process.
    InProcess(Arc<dyn SandboxExtension>),
}

/// The processes of one extension.
pub(super) struct Crew {
    extension: ExtensionId,
    source: Source,
    limits: HostLimits,
    trace: Option<Arc<dyn Trace>>,
    /// One permit a call, or one a process.
    pub(super) places: Arc<Semaphore>,
    /// The one that takes the next call, under a lock that is held while it starts.
    current: tokio::sync::Mutex<Option<Arc<Running>>>,
    /// All that may still live.
    all: Mutex<Vec<Arc<Running>>>,
}

impl Crew {
    pub(super) fn new(
        extension: ExtensionId,
        source: Source,
        places: u32,
        limits: HostLimits,
        trace: Option<Arc<dyn Trace>>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(places.max(1) as usize));
        Self { extension, source, limits, trace, places, current: Default::default(), all: Mutex::default() }
    }

    fn lifecycle(&self) -> Lifecycle {
        match &self.source {
            Source::Program(program) => program.lifecycle,
            Source::InProcess(_) => Lifecycle::Persistent,
        }
    }

    /// A process that takes a call.
    pub(super) async fn hire(&self) -> Result<Arc<Running>, Breach> {
        if self.lifecycle() == Lifecycle::Oneshot {
            return self.start().await;
        }
        let mut current = self.current.lock().await;
        if let Some(running) = current.as_ref().filter(|running| running.takes_calls()) {
            return Ok(running.clone());
        }
        let started = self.start().await?;
        *current = Some(started.clone());
        Ok(started)
    }

    async fn start(&self) -> Result<Arc<Running>, Breach> {
        let running = match &self.source {
            Source::Program(program) => Running::start(program, self.limits, self.trace.clone()).await?,
            Source::InProcess(extension) => {
                Running::in_process(self.extension.clone(), extension.clone(), self.limits, self.trace.clone())
            }
        };
        let running = Arc::new(running);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|running| running.lives());
        all.push(running.clone());
        Ok(running)
    }

    /// Lets a process go that has answered its one request; its place is free once it is gone.
    pub(super) fn dismiss(&self, running: Arc<Running>, place: tokio::sync::OwnedSemaphorePermit) {
        if self.lifecycle() == Lifecycle::Persistent {
            return;
        }
        tokio::spawn(async move {
            running.stop().await;
            drop(place);
        });
    }

    /// Ends all processes, and waits until nothing of them lives.
    pub(super) async fn stop(&self) {
        let all = std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner));
        futures::future::join_all(all.iter().map(|running| running.stop())).await;
    }
}
