//! The table of mutants and the checks that they fail: `docs/conformance-mutants.md`.
//!
//! Which checks beside its own see a mutant may depend on timing, so that only what does not is compared.

use crate::mutation::Mutation;
use libtest_mimic::{Failed, Trial};
use sandboxer_sdk::{Clock, SystemClock};
use std::io;
use std::path::{Path, PathBuf};

/// What the seeds of all whole runs follow from.
pub(crate) const SEED: u64 = 1;

const HINT: &str = "`UPDATE_MATRIX=NAME cargo test -p sandboxer-conformance --test mutants matrix::` writes it anew";

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("table::it_has_every_mutant_and_its_own_checks", it_has_every_mutant_and_its_own_checks)]
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance-mutants.md")
}

fn it_has_every_mutant_and_its_own_checks() -> Result<(), Failed> {
    let table = std::fs::read_to_string(path())?;
    for mutation in Mutation::ALL {
        let row = row_of(&table, *mutation).ok_or_else(|| format!("no row of {mutation:?}; {HINT}"))?;
        let own = mutation.caught().iter().all(|(check, _)| row.contains(&format!("**{check}**")));
        if !own || !row.contains(mutation.broken()) {
            return Err(format!("the row of {mutation:?} is old; {HINT}").into());
        }
    }
    match table.lines().filter(|line| line.starts_with("| `")).count() == Mutation::ALL.len() {
        true => Ok(()),
        false => Err("it has rows of mutants that there are not".into()),
    }
}

fn row_of(table: &str, mutation: Mutation) -> Option<&str> {
    let begin = format!("| `{}` |", mutation.name());
    table.lines().find(|line| line.starts_with(&begin))
}

/// Writes what a mutant fails, and leaves the other rows as they are.
pub(crate) fn write(mutation: Mutation, failed: &[String]) -> io::Result<()> {
    let before = std::fs::read_to_string(path()).unwrap_or_default();
    let rows = Mutation::ALL.iter().filter_map(|one| match *one == mutation {
        true => Some(row(mutation, failed)),
        false => row_of(&before, *one).map(str::to_owned),
    });
    let rows: Vec<String> = rows.map(|row| row + "\n").collect();
    std::fs::write(path(), head() + &rows.concat())
}

fn row(mutation: Mutation, failed: &[String]) -> String {
    let own = |check: &String| mutation.caught().iter().any(|(one, _)| one == check);
    let bold = |check: &String| if own(check) { format!("**{check}**") } else { check.clone() };
    let checks: Vec<String> = failed.iter().map(bold).collect();
    format!("| `{}` | {} | {} |", mutation.name(), mutation.broken(), checks.join(", "))
}

fn head() -> String {
    format!(
        "# What the conformance suite sees\n\n\
         Each mutant is a good extension that is broken in one way (`crates/conformance/tests/mutants`). The table has the checks that\n\
         it failed in a run of all checks of its level and below. A check in bold must see it, and a test holds it to that; which\n\
         others do depends on timing, too. Made with the seed {SEED} on {}, by\n\
         `UPDATE_MATRIX=all cargo test -p sandboxer-conformance --test mutants matrix::`.\n\n\
         | mutant | what is broken | checks that fail |\n| --- | --- | --- |\n",
        SystemClock.now().strftime("%Y-%m-%d"),
    )
}
