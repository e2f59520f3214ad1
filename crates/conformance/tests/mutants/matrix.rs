//! The table of mutants and the checks that see them: `docs/conformance-mutants.md`.
//!
//! With `SANDBOXER_MATRIX=full` every mutant goes through all checks of its own level and below; with `UPDATE_MATRIX=1` the table
//! is written anew from that. Which checks beside its own see a mutant may depend on timing, so that only what does not is compared.

use crate::mutation::Mutation;
use crate::subject::{Run, World};
use libtest_mimic::{Failed, Trial};
use sandboxer_sdk::{Clock, SystemClock};
use sandboxer_types::{CheckOutcome, CheckResult, ConformanceLevel};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

const SEED: u64 = 1;
const WORKERS: usize = 4;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("matrix::the_table_has_every_mutant_and_its_own_checks", the_table_is_whole),
        Trial::test("matrix::every_mutant_is_seen_in_a_whole_run", whole_runs),
        Trial::test("matrix::the_model_holds_the_highest_level", the_model_holds_the_highest_level),
    ]
}

#[allow(clippy::disallowed_methods, reason = "a test is told from outside how much to do")]
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

fn table_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance-mutants.md")
}

fn the_table_is_whole() -> Result<(), Failed> {
    if is_set("UPDATE_MATRIX") {
        return Ok(());
    }
    let table = std::fs::read_to_string(table_path())?;
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    for mutation in Mutation::ALL {
        let name = format!("| `{}` |", mutation.name());
        let row = rows.iter().find(|row| row.starts_with(&name));
        let row = row.ok_or_else(|| format!("no row of {name}; UPDATE_MATRIX=1 writes the table anew"))?;
        let own = mutation.caught().iter().all(|(check, _)| row.contains(&format!("**{check}**")));
        if !own || !row.contains(mutation.broken()) {
            return Err(format!("the row of {name} is old; UPDATE_MATRIX=1 writes the table anew").into());
        }
    }
    match rows.len() == Mutation::ALL.len() {
        true => Ok(()),
        false => Err("it has rows of mutants that there are not; UPDATE_MATRIX=1 writes the table anew".into()),
    }
}

/// Nothing fails in a whole run, and only what needs a machine of somebody else's has nothing to look at.
fn the_model_holds_the_highest_level() -> Result<(), Failed> {
    if !is_whole() {
        return Ok(());
    }
    let report = World::new(None).run(Run { seed: SEED, ..Run::up_to(ConformanceLevel::L4) });
    let is_skipped = |check: &&CheckResult| check.outcome == CheckOutcome::Skipped;
    let skipped: Vec<&str> = report.checks.iter().filter(is_skipped).map(|check| check.id.as_str()).collect();
    assert_eq!(skipped, ["attached-machines-stay"]);
    assert_eq!(report.level, Some(ConformanceLevel::L4), "{:?}", report.checks);
    assert_eq!(report.left_over, Vec::<String>::new());
    Ok(())
}

/// Whether everything is asked for.
fn is_whole() -> bool {
    is_set("SANDBOXER_MATRIX") || is_set("UPDATE_MATRIX")
}

/// Which checks a mutant failed.
type Row = (Mutation, Vec<String>);

fn whole_runs() -> Result<(), Failed> {
    if !is_whole() {
        // The trials of single mutants run their own checks; this is the same again, and more.
        return Ok(());
    }
    let mut rows = run_all();
    rows.sort_by_key(|(mutation, _)| Mutation::ALL.iter().position(|one| one == mutation));
    if is_set("UPDATE_MATRIX") {
        std::fs::write(table_path(), rendered(&rows))?;
    }
    let missed: Vec<String> = rows.iter().filter_map(missed).collect();
    if missed.is_empty() { Ok(()) } else { Err(missed.join("\n").into()) }
}

fn missed((mutation, failed): &Row) -> Option<String> {
    let own: Vec<&str> = mutation.caught().iter().map(|(check, _)| *check).collect();
    let missed: Vec<&&str> = own.iter().filter(|check| !failed.iter().any(|one| one == *check)).collect();
    (!missed.is_empty()).then(|| format!("{mutation:?} passes {missed:?}; it fails {failed:?}"))
}

fn run_all() -> Vec<Row> {
    // Those of the highest level take longest.
    let (queue, rows) = (Mutex::new(Mutation::ALL.iter().rev()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(mutation) = queue.lock().unwrap().next() else { break };
                    let failed = failed_by(*mutation);
                    rows.lock().unwrap().push((*mutation, failed));
                }
            });
        }
    });
    rows.into_inner().unwrap()
}

fn failed_by(mutation: Mutation) -> Vec<String> {
    let seed = SEED.wrapping_add(crate::subject::seed_of(&mutation.name()));
    let report = World::new(Some(mutation)).run(Run { seed, ..Run::up_to(mutation.level()) });
    let failed = report.checks.into_iter().filter(|check| check.outcome == CheckOutcome::Failed);
    failed.map(|check| check.id).collect()
}

fn rendered(rows: &[Row]) -> String {
    let mut text = format!(
        "# What the conformance suite sees\n\n\
         Each mutant is a good extension that is broken in one way (`crates/conformance/tests/mutants`). The table has the checks that\n\
         it failed in a run of all checks of its level and below. A check in bold must see it, and a test holds it to that; which\n\
         others do depends on timing, too. Made with the seed {SEED} on {}; `UPDATE_MATRIX=1 cargo test -p sandboxer-conformance --test\n\
         mutants matrix::` makes it anew.\n\n\
         | mutant | what is broken | checks that fail |\n| --- | --- | --- |\n",
        SystemClock.now().strftime("%Y-%m-%d"),
    );
    for (mutation, failed) in rows {
        let own = |check: &String| mutation.caught().iter().any(|(one, _)| one == check);
        let checks: Vec<String> =
            failed.iter().map(|check| if own(check) { format!("**{check}**") } else { check.clone() }).collect();
        // Writing into a text cannot fail.
        writeln!(text, "| `{}` | {} | {} |", mutation.name(), mutation.broken(), checks.join(", ")).unwrap();
    }
    text
}
