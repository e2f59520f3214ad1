//! What was done so far, a line a check and batch, in a file that outlives the run.

use sandboxer_types::{CheckOutcome, ConformanceReport};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// One check of one batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) subject: String,
    pub(crate) batch: u64,
    pub(crate) seed: u64,
    pub(crate) check: String,
    pub(crate) outcome: CheckOutcome,
    pub(crate) faults: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) left_over: usize,
    pub(crate) on: String,
}

/// The record, and where it is kept.
pub(crate) struct Record {
    held: Mutex<(File, Vec<Done>)>,
}

impl Record {
    /// The record in that file, with what earlier runs have written. A line that a killed run did not finish is not there.
    pub(crate) fn open(path: &Path) -> Self {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let done: Vec<Done> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").unwrap();
        }
        Self { held: Mutex::new((file, done)) }
    }

    /// Adds a batch.
    pub(crate) fn add(&self, subject: &str, batch: u64, report: &ConformanceReport) {
        let mut held = self.held.lock().unwrap();
        for check in &report.checks {
            let done = Done {
                subject: subject.to_owned(),
                batch,
                seed: report.seed,
                check: check.id.clone(),
                outcome: check.outcome,
                faults: check.faults,
                reason: check.reason.clone(),
                left_over: report.left_over.len(),
                on: report.started_at.strftime("%Y-%m-%d").to_string(),
            };
            writeln!(held.0, "{}", serde_json::to_string(&done).unwrap()).unwrap();
            held.1.push(done);
        }
        held.0.sync_data().unwrap();
    }

    pub(crate) fn all(&self) -> Vec<Done> {
        self.held.lock().unwrap().1.clone()
    }

    /// How many batches a subject has had.
    pub(crate) fn batches(&self, subject: &str) -> u64 {
        let held = self.held.lock().unwrap();
        held.1.iter().filter(|done| done.subject == subject).map(|done| done.batch + 1).max().unwrap_or(0)
    }

    /// How often it was killed.
    pub(crate) fn kills(&self, subject: &str) -> u64 {
        let held = self.held.lock().unwrap();
        let kills = held.1.iter().filter(|done| done.subject == subject && done.check.starts_with("killed-"));
        kills.map(|done| done.faults).sum()
    }
}
