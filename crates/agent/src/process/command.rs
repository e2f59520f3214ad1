//! One command, from its start until it is forgotten.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use sandboxer_envd::process::{ProcessConfig, ProcessInfo};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::hub::{End, Hub};
use super::input::Input;
use super::output::Output;
use super::reaper::{Reaper, Scope};
use super::status::Exit;

/// A command that was started.
pub(super) struct Command {
    pub(super) pid: u32,
    pub(super) tag: Option<String>,
    /// Forgotten when it ends: it may be large.
    config: Mutex<Option<ProcessConfig>>,
    pub(super) input: Input,
    pub(super) hub: Hub,
    exit: watch::Sender<Option<Exit>>,
}

impl Command {
    pub(super) fn new(pid: u32, tag: Option<String>, config: ProcessConfig, input: Input) -> Self {
        let (config, exit) = (Mutex::new(Some(config)), watch::Sender::new(None));
        Self { pid, tag, config, input, hub: Hub::default(), exit }
    }

    pub(super) fn info(&self) -> ProcessInfo {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ProcessInfo { config: config.into(), pid: self.pid, tag: self.tag.clone() }
    }

    /// How it ended, once it did.
    pub(super) async fn ended(&self) -> Exit {
        let mut exit = self.exit.subscribe();
        loop {
            if let Some(exit) = *exit.borrow_and_update() {
                return exit;
            }
            if exit.changed().await.is_err() {
                // The sender is in `self`, which outlives this call.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Sees the command through to its end: passes its output on, ends it when its time is up, and tells everyone.
    /// Gives back outputs that a background process still holds open.
    pub(super) async fn supervise(
        &self,
        reaper: &Reaper,
        outputs: Vec<Output>,
        exit: oneshot::Receiver<Exit>,
        deadline: Option<Instant>,
    ) -> Vec<Output> {
        let exited = watch::Sender::new(false);
        let pumps = join_all(outputs.into_iter().map(|output| output.pump(&self.hub, exited.subscribe())));
        let end = async {
            let end = self.await_exit(reaper, exit, deadline).await;
            self.exit.send_replace(end.map(|end| end.exit));
            exited.send_replace(true);
            end
        };
        let (left, end) = tokio::join!(pumps, end);
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Only an agent that is ending itself drops the sender.
        if let Some(end) = end {
            self.hub.end(end).await;
        }
        left.into_iter().flatten().collect()
    }

    async fn await_exit(
        &self,
        reaper: &Reaper,
        mut exit: oneshot::Receiver<Exit>,
        deadline: Option<Instant>,
    ) -> Option<End> {
        let Some(deadline) = deadline else {
            return exit.await.ok().map(|exit| End { exit, timed_out: false });
        };
        tokio::select! {
            biased;
            exit = &mut exit => return exit.ok().map(|exit| End { exit, timed_out: false }),
            () = sleep_until(deadline) => {}
        }
        if let Err(error) = reaper.signal(self.pid, libc::SIGKILL, Scope::Group) {
            tracing::warn!(%error, pid = self.pid, "cannot end a command whose time is up");
        }
        exit.await.ok().map(|exit| End { exit, timed_out: true })
    }
}

/// A command that is shared by its followers, its writers and its table.
pub(super) type SharedCommand = Arc<Command>;
