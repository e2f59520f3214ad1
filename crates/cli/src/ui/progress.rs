//! One line on a terminal that says what is being waited for.

use crate::ui::text::harmless;
use indicatif::{ProgressBar, ProgressStyle};
use sandboxer_broker::Observer;
use sandboxer_sdk::{LogLevel, Progress};
use sandboxer_types::{SandboxId, State};
use std::time::Duration;

/// Appears only when something takes longer than the blink of an eye.
#[derive(Clone)]
pub(crate) struct ProgressLine {
    bar: Option<ProgressBar>,
    is_quiet: bool,
}

impl ProgressLine {
    pub(super) fn new(shown: bool, is_quiet: bool) -> Self {
        let bar = shown.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, is_quiet }
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
        let counted = match (progress.current, progress.total) {
            (Some(current), Some(total)) => format!(" ({current} of {total})"),
            (Some(current), None) => format!(" ({current})"),
            (None, _) => String::new(),
        };
        self.say(harmless(&format!("{}: {}{counted}", progress.phase, progress.message)));
    }

    fn log(&self, level: LogLevel, line: &str) {
        if level != LogLevel::Warning {
            return;
        }
        let warning = format!("warning: {}", harmless(line));
        match &self.bar {
            Some(bar) => bar.println(warning),
            None if self.is_quiet => {}
            None => anstream::eprintln!("{warning}"),
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
