//! Kills, in batches: each is a run of the suite with a seed of its own.

use crate::record::Record;
use crate::subjects::{BY_SSH, KINDS, Subject};
use crate::{docs, table};
use sandboxer_types::ConformanceReport;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many kills, over all extensions
    #[arg(long, default_value_t = 10_000)]
    kills: u64,
    /// How many of them at least on each backend behind ssh
    #[arg(long, default_value_t = 300)]
    by_ssh: u64,
    /// What all random instants follow from
    #[arg(long, default_value_t = 6)]
    seed: u64,
    /// Only these extensions
    #[arg(long)]
    only: Vec<String>,
    /// Where the record is kept
    #[arg(long, default_value = "target/soak.jsonl")]
    record: PathBuf,
    /// Only write docs/soak.md from the record
    #[arg(long)]
    table: bool,
    /// How many extensions at a time
    #[arg(long, default_value_t = 2)]
    at_once: usize,
}

/// The kills of one batch: little enough that a batch ends within minutes, and is lost with little.
const BATCH: u64 = 25;
const BATCH_HERE: u64 = 100;
/// Every fault that the suite has; the first batch of each extension has them all.
const FAULTS: [&str; 10] = [
    "killed-at-every-message",
    "killed-at-random",
    "answers-lost",
    "asked-twice-at-once",
    "not-read-for-a-while",
    "cancelled-at-every-message",
    "deadlines-are-kept",
    "no-late-birth",
    "backend-fails-midway",
    "backend-down-is-an-error",
];

pub(crate) fn run(arguments: &Arguments, program: &Path) -> ExitCode {
    let record = Record::open(&arguments.record);
    if !arguments.table {
        let is_chosen = |name: &&str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
        // Those that wait for a network first: they take longest, and leave room for the others.
        let mut names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).filter(is_chosen).collect();
        names.sort_by_key(|name| BY_SSH.contains(name));
        let waiting = Mutex::new(names);
        std::thread::scope(|scope| {
            for _ in 0..arguments.at_once {
                scope.spawn(|| {
                    loop {
                        let Some(name) = waiting.lock().unwrap().pop() else { return };
                        soak(arguments, &record, name, program);
                    }
                });
            }
        });
    }
    let done = record.all();
    std::fs::write(docs().join("soak.md"), table::page(&done, arguments.seed)).unwrap();
    let failed: Vec<_> = done.iter().filter(|done| table::is_failed(done)).collect();
    for done in &failed {
        eprintln!("{} {} seed {}: {}", done.subject, done.check, done.seed, done.reason.as_deref().unwrap_or_default());
    }
    println!("{} kills, {} failures", table::kills(&done), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How often that extension is to be killed.
fn quota(arguments: &Arguments, name: &str) -> u64 {
    let by_ssh = BY_SSH.len() as u64;
    let here = KINDS.len() as u64 - by_ssh;
    match BY_SSH.contains(&name) {
        true => arguments.by_ssh,
        false => arguments.kills.saturating_sub(arguments.by_ssh * by_ssh).div_ceil(here),
    }
}

fn soak(arguments: &Arguments, record: &Record, name: &str, program: &Path) {
    let quota = quota(arguments, name);
    let most = if BY_SSH.contains(&name) { BATCH } else { BATCH_HERE };
    let mut subject = None;
    while record.kills(name) < quota {
        let batch = record.batches(name);
        let subject = subject.get_or_insert_with(|| Subject::new(name, program));
        let kills = (quota - record.kills(name)).min(most);
        let seed = arguments.seed * 1000 + batch;
        let report = one_batch(subject, seed, kills, if batch == 0 { &FAULTS } else { &FAULTS[1..2] });
        record.add(name, batch, &report);
        println!("{name}: batch {batch}, {} of {quota} kills", record.kills(name));
    }
}

fn one_batch(subject: &Subject, seed: u64, kills: u64, checks: &[&str]) -> ConformanceReport {
    let (seed, kills) = (seed.to_string(), kills.to_string());
    let mut words = vec!["--json", "--seed", &seed, "--kills", &kills];
    words.extend(checks.iter().flat_map(|check| ["--check", check]));
    let output = subject.test(&words).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|fault| panic!("{}: {fault}\n{}", subject.name, String::from_utf8_lossy(&output.stderr)))
}
