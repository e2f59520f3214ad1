//! The suite as tests of `cargo test`, a check each, for authors of extensions in Rust.
//!
//! In `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! sandboxer-conformance = { version = "0.1", features = ["harness"] }
//!
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! and in `tests/conformance.rs`:
//!
//! ```no_run
//! use sandboxer_conformance::{Subject, harness};
//! use std::path::Path;
//!
//! fn main() -> std::process::ExitCode {
//!     // In a crate with a program: `env!("CARGO_BIN_EXE_my-backend")`.
//!     let program = Path::new("target/debug/my-backend");
//!     match Subject::of_program(Path::new("extensions/ext.my-backend.yaml"), program) {
//!         Ok(subject) => harness::run(subject),
//!         Err(failure) => panic!("{failure}: {:?}", failure.causes),
//!     }
//! }
//! ```
//!
//! Filters, `--list` and `--exact` are as with any test; what has nothing to look at counts as ignored, and says why. Each test is a
//! run of its own, so that nextest, which starts a process for each, does the same as `cargo test`. One after another they use
//! the backend, however many are started at once. The variable `SANDBOXER_SEED` repeats the random instants of a run.

use crate::{ALL, Check, Ledger, Selection, Subject, Suite};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rustix::fs::{FlockOperation, flock};
use sandboxer_sdk::{Ids, SystemIds};
use sandboxer_types::{CheckOutcome, CheckResult, ConformanceReport};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs every check that the command line of this test selects.
pub fn run(subject: Subject) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = ALL.iter().map(|check| trial(subject.clone(), check)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(subject: Subject, check: &'static Check) -> Trial {
    Trial::ignorable_test(check.id, move || look(subject, check)).with_kind(check.level.as_str())
}

/// Runs the suite with that one check.
fn look(subject: Subject, check: &Check) -> Result<Completion, Failed> {
    let folder = folder(&subject);
    std::fs::create_dir_all(&folder)?;
    // Held until this check has ended: the backend is nobody else's meanwhile.
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    rustix::io::retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive))?;
    let run = SystemIds.fresh();
    let mut suite = Suite::new(subject, Ledger::open(ledger(&folder, &run.to_string()))?);
    suite.selection = Selection { checks: vec![check.id.to_owned()], ..Selection::default() };
    suite.seed = seed()?.unwrap_or_else(|| u64::from(run.random() as u32));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(suite.run());
    match report.checks.first() {
        Some(result) => conclusion(&report, result, &folder),
        None => Err("the check was not run".into()),
    }
}

fn conclusion(report: &ConformanceReport, result: &CheckResult, folder: &Path) -> Result<Completion, Failed> {
    let reason = result.reason.clone().unwrap_or_default();
    match result.outcome {
        CheckOutcome::Passed => Ok(Completion::Completed),
        CheckOutcome::Skipped => Ok(Completion::ignored_with(reason)),
        CheckOutcome::Failed => {
            let mut lines = vec![reason];
            lines.extend(result.transcript.iter().map(|line| format!("    {line}")));
            if !report.left_over.is_empty() {
                lines.push(format!("may still exist, as {} says: {}", folder.display(), report.left_over.join(", ")));
            }
            lines.push(format!("again: SANDBOXER_SEED={} cargo test {}", report.seed, result.id));
            Err(lines.join("\n").into())
        }
    }
}

/// Where ledgers are kept. They outlive a run that was killed.
fn folder(subject: &Subject) -> PathBuf {
    std::env::temp_dir().join("sandboxer-conformance").join(subject.manifest.id.as_str())
}

fn ledger(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("{}.json", run.to_ascii_lowercase()))
}

#[allow(clippy::disallowed_methods, reason = "a test of the author's own has no configuration but the environment")]
fn seed() -> Result<Option<u64>, Failed> {
    let Some(text) = std::env::var_os("SANDBOXER_SEED") else { return Ok(None) };
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(seed) => Ok(Some(seed)),
        None => Err("SANDBOXER_SEED is not a number".into()),
    }
}
