//! One command, from its start until it is forgotten.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use sandboxer_envd::Timestamp;
use sandboxer_envd::process::{ProcessConfig, ProcessInfo};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::hub::{End, Hub};
use super::input::Input;
use super::kept::Memory;
use super::output::Output;
use super::reaper::{Reaper, Scope};
use super::status::Exit;
use crate::clock;

/// Of a command that ended, this much of its arguments is remembered, in bytes.
const REMEMBERED_ARGUMENTS: usize = 1024;
/// Its directory is, unless its path is longer.
const REMEMBERED_DIRECTORY: usize = 1024;

/// A command that was started.
pub(super) struct Command {
    pub(super) pid: u32,
    pub(super) tag: Option<String>,
    /// The lease under which it runs.
    pub(super) lease: Option<String>,
    pub(super) started: Timestamp,
    /// Cut when it ends: it may be large.
    config: Mutex<ProcessConfig>,
    pub(super) input: Input,
    pub(super) hub: Hub,
    exit: watch::Sender<Option<End>>,
}

/// What a command is from its start.
pub(super) struct Origin {
    pub(super) pid: u32,
    pub(super) tag: Option<String>,
    pub(super) lease: Option<String>,
    pub(super) config: ProcessConfig,
}

impl Command {
    pub(super) fn new(origin: Origin, input: Input, memory: Memory) -> Self {
        let Origin { pid, tag, lease, config } = origin;
        let (config, exit) = (Mutex::new(config), watch::Sender::new(None));
        Self { pid, tag, lease, started: clock::now(), config, input, hub: Hub::new(memory), exit }
    }

    pub(super) fn info(&self) -> ProcessInfo {
        ProcessInfo { config: self.config().clone().into(), pid: self.pid, tag: self.tag.clone() }
    }

    /// What was asked for; cut, once it ended.
    pub(super) fn config(&self) -> MutexGuard<'_, ProcessConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How its process ended, if it did. Some of what it said may still be under way to its followers.
    pub(super) fn exited(&self) -> Option<End> {
        *self.exit.borrow()
    }

    /// How it ended, once it did.
    pub(super) async fn ended(&self) -> End {
        let mut exit = self.exit.subscribe();
        loop {
            if let Some(end) = *exit.borrow_and_update() {
                return end;
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
            self.exit.send_replace(end);
            self.hub.exited();
            exited.send_replace(true);
            end
        };
        let (left, end) = tokio::join!(pumps, end);
        cut(&mut self.config());
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

/// Leaves what a person needs to know it again.
fn cut(config: &mut ProcessConfig) {
    let mut left = REMEMBERED_ARGUMENTS.saturating_sub(config.cmd.len());
    let words = config.args.iter().take_while(|word| {
        let fits = word.len() < left;
        left = left.saturating_sub(word.len() + 1);
        fits
    });
    config.args = words.cloned().collect();
    config.cwd = config.cwd.take().filter(|cwd| cwd.len() <= REMEMBERED_DIRECTORY);
    config.envs.clear();
}

/// A command that is shared by its followers, its writers and its table.
pub(super) type SharedCommand = Arc<Command>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_not_remembered() {
        let long = "x".repeat(2 * REMEMBERED_ARGUMENTS);
        let of = |word: &str| ProcessConfig {
            cmd: "cmd".to_owned(),
            args: vec![word.to_owned()],
            envs: [("A".to_owned(), "b".to_owned())].into_iter().collect(),
            cwd: Some(format!("/{word}")),
        };
        let (mut short, mut long) = (of("short"), of(&long));
        cut(&mut short);
        assert_eq!((short.args, short.cwd.as_deref()), (vec!["short".to_owned()], Some("/short")));
        cut(&mut long);
        assert_eq!((long.args, long.cwd, long.envs.len()), (vec![], None, 0));
    }
}
