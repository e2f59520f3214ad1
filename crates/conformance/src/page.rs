//! The published page: every check, and what runs have shown.

use crate::checks::ALL;
use sandboxer_types::{CheckOutcome, ConformanceLevel, ConformanceReport};
use std::fmt::Write as _;

/// The page `docs/conformance.md`, from the checks and from one report an extension.
pub fn page(reports: &[ConformanceReport]) -> String {
    let mut page = String::from(INTRODUCTION);
    results(&mut page, reports);
    for level in ConformanceLevel::ALL {
        checks(&mut page, level);
    }
    page
}

const INTRODUCTION: &str = "<!-- Written by `cargo xtask conformance` from the checks and from `docs/conformance/`. Nobody edits it. -->

# Conformance

`sandboxer ext test EXT` starts an extension as a host does, speaks the protocol with it, and goes wrong on purpose: it kills the
extension at every message and at random instants, loses its answers, withdraws, asks twice, takes the backend away. Then it looks
whether anything is left, and does not take the extension's word for it: it asks `recover`, `list` and `status`, the ways into the sandbox,
and the backend's own inventory where the [test plan](extension-sdk.md#testing) says how.

| level | what an extension that has it was shown to hold |
| --- | --- |
| L1 | Its manifest is sound, and it speaks the protocol. No backend is needed. |
| L2 | What it makes can be used, and is gone afterwards. |
| L3 | It loses nothing, whenever it, its host or its backend dies. |
| L4 | The optional verbs and features that it declares do what they say. |

A level is held with all levels below it. A check that has nothing to look at is skipped, and the report says why; one that fails shows what
was sent and received, and the seed by which it fails again. The suite is itself tested by [extensions that are broken on
purpose](conformance-mutants.md): at least one for every check, which must fail that check.

";

fn results(page: &mut String, reports: &[ConformanceReport]) {
    page.push_str("## What was shown\n\n| extension | version | level | passed | skipped | faults injected | with | on | seed |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for report in reports {
        let level = report.level.map_or("none", ConformanceLevel::as_str);
        let faults: u64 = report.checks.iter().map(|check| check.faults).sum();
        let (passed, skipped) = (report.count(CheckOutcome::Passed), report.count(CheckOutcome::Skipped));
        line(
            page,
            format_args!(
                "| `{}` | {} | {level} | {passed} | {skipped} | {faults} | sandboxer {} | {} | {} |",
                report.extension,
                report.version.as_deref().unwrap_or("-"),
                report.sandboxer,
                report.started_at.strftime("%Y-%m-%d"),
                report.seed,
            ),
        );
    }
    page.push_str("\nWhat was skipped, and why:\n\n| check | extensions | reason |\n| --- | --- | --- |\n");
    for check in ALL {
        let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
        for report in reports {
            let skipped =
                report.checks.iter().find(|result| result.id == check.id && result.outcome == CheckOutcome::Skipped);
            let Some(reason) = skipped.and_then(|result| result.reason.as_deref()) else { continue };
            let name = format!("`{}`", report.extension);
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(name),
                None => reasons.push((reason, vec![name])),
            }
        }
        for (reason, names) in reasons {
            line(page, format_args!("| `{}` | {} | {reason} |", check.id, names.join(", ")));
        }
    }
    page.push('\n');
}

fn checks(page: &mut String, level: ConformanceLevel) {
    line(page, format_args!("## {level}\n"));
    for check in ALL.iter().filter(|check| check.level == level) {
        line(page, format_args!("### {}\n\n{}.\n", check.id, check.rule));
        line(page, format_args!("- Does: {}.\n- Proves: {}.\n", check.does, check.proves));
    }
}

/// Writing into a text does not fail.
fn line(page: &mut String, words: std::fmt::Arguments<'_>) {
    if page.write_fmt(words).is_ok() {
        page.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_page_is_what_the_checks_and_the_reports_say() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let written = std::fs::read_to_string(docs.join("conformance.md")).expect("the page");
        let reports = read(&docs.join("conformance"));
        assert!(!reports.is_empty(), "nothing is shown");
        assert!(page(&reports) == written, "docs/conformance.md is stale: run `cargo xtask conformance --page`");
    }

    fn read(folder: &Path) -> Vec<ConformanceReport> {
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).expect("reports").map(|entry| entry.expect("ours").path()).collect();
        paths.sort();
        let parse = |path| serde_json::from_slice(&std::fs::read(path).expect("ours")).expect("a report");
        paths.into_iter().map(parse).collect()
    }
}
