//! Runs everything once over each extension, and publishes what was shown.

use crate::docs;
use crate::subjects::{KINDS, Subject};
use sandboxer_types::{CheckOutcome, ConformanceReport};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these extensions; the published results of the others stay
    #[arg(long)]
    only: Vec<String>,
    /// What random instants follow from
    #[arg(long, default_value_t = 6)]
    seed: u64,
    /// Run nothing: write the page from the results that are there
    #[arg(long)]
    page: bool,
}

pub(crate) fn run(arguments: &Arguments, program: &Path) -> ExitCode {
    let folder = docs().join("conformance");
    std::fs::create_dir_all(&folder).unwrap();
    let is_chosen = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let mut failed = false;
    for (name, _) in KINDS.iter().filter(|(name, _)| !arguments.page && is_chosen(name)) {
        let report = test(&Subject::new(name, program), arguments.seed);
        failed |= report.count(CheckOutcome::Failed) > 0;
        let level = report.level.map_or("no level", |level| level.as_str());
        println!("{name}: {level}, {} passed", report.count(CheckOutcome::Passed));
        std::fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(&report).unwrap() + "\n")
            .unwrap();
    }
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let reports: Vec<ConformanceReport> =
        paths.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect();
    std::fs::write(docs().join("conformance.md"), sandboxer_conformance::page(&reports)).unwrap();
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The whole suite. What failed is said at once; the report is kept without what travelled.
fn test(subject: &Subject, seed: u64) -> ConformanceReport {
    let output = subject.test(&["--json", "--seed", &seed.to_string()]).output().unwrap();
    let mut report: ConformanceReport = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|fault| panic!("{}: {fault}\n{}", subject.name, String::from_utf8_lossy(&output.stderr)));
    for check in &mut report.checks {
        if check.outcome == CheckOutcome::Failed {
            eprintln!("{}: {}: {}", subject.name, check.id, check.reason.as_deref().unwrap_or_default());
        }
        check.transcript.clear();
    }
    report
}
