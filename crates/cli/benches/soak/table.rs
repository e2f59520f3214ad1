//! The table of faults, extensions and outcomes.

use crate::record::Done;
use crate::subjects::KINDS;
use sandboxer_types::CheckOutcome;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Whether something leaked, or was said to be gone and was not.
pub(crate) fn is_failed(done: &Done) -> bool {
    done.outcome == CheckOutcome::Failed || done.left_over > 0
}

/// All kills.
pub(crate) fn kills(all: &[Done]) -> u64 {
    all.iter().filter(|done| done.check.starts_with("killed-")).map(|done| done.faults).sum()
}

/// The page `docs/soak.md`.
pub(crate) fn page(all: &[Done], seed: u64) -> String {
    let days: BTreeSet<&str> = all.iter().map(|done| done.on.as_str()).collect();
    let mut page =
        String::from("<!-- Written by `cargo xtask soak`. Nobody edits it. -->\n\n# Killed again and again\n\n");
    let failures = all.iter().filter(|done| is_failed(done)).count();
    writeln!(
        page,
        "`cargo xtask soak` injects faults into extensions while they make and remove sandboxes, and looks afterwards for anything that is \
         left, or that was said to be gone and is not. {} kills and {} other faults, seed {seed}, {}: {}.\n",
        kills(all),
        all.iter().map(|done| done.faults).sum::<u64>() - kills(all),
        days.into_iter().collect::<Vec<_>>().join(", "),
        if failures == 0 { "no leak, no false \"gone\"".to_owned() } else { format!("{failures} batches failed") },
    )
    .unwrap();
    writeln!(page, "A cell has the faults that struck, and what they came to. The backend of those behind ssh is a host in a network of its own.\n").unwrap();
    let names = KINDS.map(|(name, _)| name);
    writeln!(page, "| fault | {} |", names.map(|name| format!("`{name}`")).join(" | ")).unwrap();
    writeln!(page, "| --- |{}", " --- |".repeat(names.len())).unwrap();
    let mut checks: Vec<&str> = Vec::new();
    for done in all {
        if !checks.contains(&done.check.as_str()) {
            checks.push(&done.check);
        }
    }
    for check in checks {
        let cells = names.map(|name| cell(all, name, check));
        writeln!(page, "| [{check}](conformance.md#{check}) | {} |", cells.join(" | ")).unwrap();
    }
    page
}

fn cell(all: &[Done], name: &str, check: &str) -> String {
    let own: Vec<&Done> = all.iter().filter(|done| done.subject == name && done.check == check).collect();
    let faults: u64 = own.iter().map(|done| done.faults).sum();
    let failed = own.iter().filter(|done| is_failed(done)).count();
    match (own.first(), failed) {
        (None, _) => "not run".to_owned(),
        (Some(_), failed) if failed > 0 => format!("{faults}: {failed} FAILED"),
        (Some(done), _) if done.outcome == CheckOutcome::Skipped => "cannot be injected".to_owned(),
        (Some(_), _) => format!("{faults}: nothing left"),
    }
}
