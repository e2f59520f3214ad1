//! One line on a terminal that says what is being waited for.

use indicatif::{ProgressBar, ProgressStyle};
use sandboxer_broker::Observer;
use sandboxer_sdk::{LogLevel, Progress};
use sandboxer_types::{SandboxId, State};
use std::time::Duration;

/// Appears only when something takes longer than the blink of an eye.
#[derive(Clone)]
pub(crate) struct ProgressLine {
    bar: Option<ProgressBar>,
}

impl ProgressLine {
    pub(super) fn new(shown: bool) -> Self {
        let bar = shown.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar }
    }

    fn say(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
            bar.enable_steady_tick(Duration::from_millis(120));
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for ProgressLine {
    fn progress(&self, progress: &Progress) {
        self.say(format!("{}: {}", progress.phase, progress.message));
    }

    fn log(&self, level: LogLevel, line: &str) {
        if let (LogLevel::Warning, Some(bar)) = (level, &self.bar) {
            bar.println(format!("warning: {line}"));
        }
    }

    fn moved(&self, _sandbox_id: &SandboxId, state: State) {
        match state {
            State::Ready | State::Gone | State::Forgotten => self.clear(),
            State::Planned
            | State::Provisioning
            | State::Waiting
            | State::Attaching
            | State::Paused
            | State::TearingDown
            | State::Failed => self.say(state.to_string().replace('_', " ")),
        }
    }
}
