//! Whole runs: every mutant goes through all checks of its own level and below, and the model through all that there are.
//!
//! They take a quarter of an hour, so that they are there only when they are asked for: `SANDBOXER_MATRIX=full`, or the names of
//! some mutants with commas between them. `UPDATE_MATRIX` in its place also writes their rows of the table.

use crate::mutation::Mutation;
use crate::subject::{Run, World, seed_of};
use crate::table;
use libtest_mimic::{Failed, Trial};
use sandboxer_types::{CheckOutcome, CheckResult, ConformanceLevel};
use std::sync::Mutex;

const WORKERS: usize = 4;

pub(crate) fn trials() -> Vec<Trial> {
    let updates = is_asked_for("UPDATE_MATRIX");
    let Some(asked_for) = updates.clone().or_else(|| is_asked_for("SANDBOXER_MATRIX")) else { return Vec::new() };
    let updates = updates.is_some();
    vec![
        Trial::test("matrix::mutants_are_seen_in_whole_runs", move || whole_runs(&asked_for, updates)),
        Trial::test("matrix::the_model_holds_the_highest_level", the_model_holds_the_highest_level),
    ]
}

/// The mutants whose names stand there; all when none is one's name.
#[allow(clippy::disallowed_methods, reason = "a test is told from outside how much to do")]
fn is_asked_for(variable: &str) -> Option<Vec<Mutation>> {
    let named: Vec<Mutation> = std::env::var(variable).ok()?.split(',').filter_map(Mutation::named).collect();
    Some(if named.is_empty() { Mutation::ALL.to_vec() } else { named })
}

fn whole_runs(mutations: &[Mutation], updates: bool) -> Result<(), Failed> {
    // Those of the highest level take longest.
    let (queue, faults) = (Mutex::new(mutations.iter().rev()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(mutation) = queue.lock().unwrap().next() else { break };
                    let failed = failed_by(*mutation);
                    let mut faults = faults.lock().unwrap();
                    faults.extend(missed(*mutation, &failed));
                    if updates {
                        faults.extend(table::write(*mutation, &failed).err().map(|error| error.to_string()));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// The checks that a mutant fails.
fn failed_by(mutation: Mutation) -> Vec<String> {
    let seed = table::SEED.wrapping_add(seed_of(&mutation.name()));
    let report = World::new(Some(mutation)).run(Run { seed, ..Run::up_to(mutation.level()) });
    let failed = report.checks.into_iter().filter(|check| check.outcome == CheckOutcome::Failed);
    failed.map(|check| check.id).collect()
}

fn missed(mutation: Mutation, failed: &[String]) -> Option<String> {
    let missed: Vec<&str> = mutation
        .caught()
        .iter()
        .map(|(check, _)| *check)
        .filter(|check| !failed.iter().any(|one| one == check))
        .collect();
    (!missed.is_empty()).then(|| format!("{mutation:?} passes {missed:?}; it fails {failed:?}"))
}

/// Nothing fails in a whole run, and only what needs a machine of somebody else's has nothing to look at.
fn the_model_holds_the_highest_level() -> Result<(), Failed> {
    let report = World::new(None).run(Run { seed: seed_of("whole"), ..Run::up_to(ConformanceLevel::L4) });
    let is_skipped = |check: &&CheckResult| check.outcome == CheckOutcome::Skipped;
    let skipped: Vec<&str> = report.checks.iter().filter(is_skipped).map(|check| check.id.as_str()).collect();
    assert_eq!(skipped, ["attached-machines-stay"]);
    assert_eq!(report.level, Some(ConformanceLevel::L4), "{:?}", report.checks);
    assert_eq!(report.left_over, Vec::<String>::new());
    Ok(())
}
