//! The model passes every check.

use crate::subject::{Run, World, seed_of};
use libtest_mimic::{Failed, Trial};
use sandboxer_conformance::ALL;
use sandboxer_types::{CheckOutcome, ConformanceLevel};

pub(crate) fn trials() -> Vec<Trial> {
    ALL.iter().map(|check| Trial::test(format!("good::{}", check.id), || passes(check.id))).collect()
}

/// It passes, and has something to look at.
fn passes(check: &str) -> Result<(), Failed> {
    let mut world = World::new(None);
    world.attached = check == "attached-machines-stay";
    let report = world.run(Run { seed: seed_of(check), ..Run::of(&[check]) });
    let [result] = &report.checks[..] else { return Err("one check is one result".into()) };
    if result.outcome != CheckOutcome::Passed {
        let said = result.reason.as_deref().unwrap_or_default();
        return Err(format!("{}: {said}\n{}", result.outcome, result.transcript.join("\n")).into());
    }
    let remains = world.remains();
    let is_empty = remains.is_empty() && report.left_over.is_empty() && !world.ledger_path().exists();
    if !is_empty {
        return Err(format!("it passed and left {remains:?}, {:?}", report.left_over).into());
    }
    // One check says nothing about a level.
    assert_eq!(report.level, None::<ConformanceLevel>);
    Ok(())
}
