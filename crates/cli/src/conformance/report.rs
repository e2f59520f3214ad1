//! What a person sees of a run.

use crate::error::{CommandResult, local_fault};
use crate::ui::table::table;
use crate::ui::text::harmless;
use crate::ui::{Output, ProgressLine};
use sandboxer_broker::Observer as _;
use sandboxer_conformance::{Check, Observer, junit};
use sandboxer_sdk::Progress;
use sandboxer_types::{CheckOutcome, CheckResult, ConformanceReport};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Says a line a check, and on a terminal which one is at work.
pub(crate) struct Shown {
    output: Output,
    total: u64,
    working: Mutex<Working>,
}

#[derive(Default)]
struct Working {
    begun: u64,
    line: Option<ProgressLine>,
}

impl Shown {
    /// For a run of so many checks.
    pub(crate) fn new(output: Output, total: usize) -> Self {
        Self { output, total: u64::try_from(total).unwrap_or(u64::MAX), working: Mutex::default() }
    }
}

impl Observer for Shown {
    fn begins(&self, check: &Check) {
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        working.begun += 1;
        let line = self.output.progress();
        let mut progress = Progress::new("check", check.id);
        (progress.current, progress.total) = (Some(working.begun), Some(self.total));
        line.progress(&progress);
        working.line = Some(line);
    }

    fn ended(&self, result: &CheckResult) {
        if let Some(line) = self.working.lock().unwrap_or_else(PoisonError::into_inner).line.take() {
            line.clear();
        }
        // As JSON, the whole report is printed at the end.
        if !self.output.is_json() {
            self.output.data_line(result, || line(result));
        }
    }
}

const fn word(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::Passed => "ok",
        CheckOutcome::Failed => "FAILED",
        CheckOutcome::Skipped => "skipped",
    }
}

fn line(result: &CheckResult) -> String {
    let reason = result.reason.as_deref().map(|reason| format!("  {}", harmless(reason))).unwrap_or_default();
    format!("{:<7}  {}  {}{reason}", word(result.outcome), result.id, span(result.duration_ms))
}

fn span(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds}ms"),
        1000..60_000 => format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{}m{}s", milliseconds / 60_000, milliseconds % 60_000 / 1000),
    }
}

/// The end of a run: what failed, with what travelled, and what it all comes to.
pub(crate) fn summary(report: &ConformanceReport) -> String {
    let mut text = String::new();
    for failed in report.checks.iter().filter(|check| check.outcome == CheckOutcome::Failed) {
        text.push_str(&failure(report, failed));
    }
    let count = |outcome| report.count(outcome);
    let total = report.checks.iter().map(|check| check.duration_ms).sum();
    text.push_str(&format!(
        "\n{}: {} passed, {} failed, {} skipped in {}; seed {}",
        report.extension,
        count(CheckOutcome::Passed),
        count(CheckOutcome::Failed),
        count(CheckOutcome::Skipped),
        span(total),
        report.seed
    ));
    if let Some(level) = report.level {
        text.push_str(&format!("\nit holds {level}"));
    }
    text
}

fn failure(report: &ConformanceReport, failed: &CheckResult) -> String {
    let mut text = format!("\n{} {} ({})", word(failed.outcome), failed.id, failed.level);
    if let Some(check) = sandboxer_conformance::ALL.iter().find(|check| check.id == failed.id) {
        text.push_str(&format!("\n  rule: {}", check.rule));
    }
    text.push_str(&format!("\n  {}", harmless(failed.reason.as_deref().unwrap_or_default())));
    for line in &failed.transcript {
        text.push_str(&format!("\n    {}", harmless(line)));
    }
    let (extension, id, seed) = (&report.extension, &failed.id, report.seed);
    let short = extension.as_str().strip_prefix("ext.").unwrap_or(extension.as_str());
    text.push_str(&format!("\n  again: sandboxer ext test {short} --check {id} --seed {seed}\n"));
    text
}

/// Writes the run into the files that were asked for.
pub(crate) fn write_files(
    report: &ConformanceReport,
    as_json: Option<&Path>,
    as_junit: Option<&Path>,
) -> CommandResult<()> {
    let write = |path: &Path, text: String| {
        let written = std::fs::write(path, text);
        written.map_err(|error| local_fault(format!("write the report `{}`", path.display()), &error))
    };
    if let Some(path) = as_json {
        let text = serde_json::to_string_pretty(report)
            .map_err(|error| local_fault("write the report", &std::io::Error::other(error)))?;
        write(path, text + "\n")?;
    }
    if let Some(path) = as_junit {
        write(path, junit(report))?;
    }
    Ok(())
}

/// The checks: as data, and as a table.
pub(crate) fn listed(checks: &[&Check]) -> (Value, impl FnOnce() -> String + use<>) {
    let data: Vec<Value> = checks
        .iter()
        .map(|check| {
            json!({
                "id": check.id, "level": check.level, "rule": check.rule, "does": check.does, "proves": check.proves,
            })
        })
        .collect();
    let rows: Vec<[String; 3]> =
        checks.iter().map(|check| [check.id.to_owned(), check.level.to_string(), check.rule.to_owned()]).collect();
    (json!({ "checks": data }), move || table(["ID", "LEVEL", "RULE"], rows))
}
