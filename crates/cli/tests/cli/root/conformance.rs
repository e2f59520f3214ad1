//! The suite over sandboxes that root makes, and pytest over the suite.

use crate::support::{House, Running, Who};
use sandboxer_types::{CheckOutcome, ConformanceReport};
use std::path::{Path, PathBuf};

#[test]
fn the_suite_holds_a_built_in_and_leaves_nothing() {
    let house = House::new(Who::Caller);
    let checks = ["describe-is-pure", "lifecycle-in-fresh-processes", "killed-at-every-message", "status-follows"];
    let mut arguments = vec!["ext", "test", "local", "--json"];
    checks.iter().for_each(|check| arguments.extend(["--check", check]));
    let outcome = house.run(&arguments).succeeded();
    let report: ConformanceReport = serde_json::from_slice(&outcome.stdout).expect("a report");
    assert_eq!(report.count(CheckOutcome::Passed), checks.len(), "{report:#?}");
    assert!(report.checks.iter().any(|check| check.faults > 0), "{report:#?}");
    assert_eq!(std::fs::read_dir(house.local()).expect("there").count(), 0);
}

/// What checking the Python package needs, pytest among it: `cargo xtask test` puts it there.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_sandboxer")).ancestors().nth(3).expect("below the target directory");
    let python = target.join("python/bin/python");
    assert!(python.exists(), "{} is missing: `cargo xtask test` installs it", python.display());
    python
}

#[test]
fn pytest_runs_the_checks_of_a_real_extension() {
    let house = House::new(Who::Caller);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/src").canonicalize().expect("there");
    let mut command = house.program_command(python());
    command.args(["-B", "-m", "pytest", "-p", "sandboxer.pytest_plugin", "-p", "no:cacheprovider", "-v"]);
    command.args(["--sandboxer-extension=ext.local", "--sandboxer-level=L2", "-k", "describe or lifecycle or secrets"]);
    command.arg(concat!("--sandboxer-program=", env!("CARGO_BIN_EXE_sandboxer")));
    command.env("PYTHONPATH", sources).env("COLUMNS", "200");
    let outcome = Running::start(command, None).finish().succeeded();
    let text = outcome.text();
    assert!(text.contains("ext.local::describe-is-pure PASSED"), "{text}");
    assert!(text.contains("ext.local::lifecycle-in-fresh-processes PASSED"), "{text}");
    assert!(text.contains("ext.local::secrets-stay-secret SKIPPED (it declares no secrets)"), "{text}");
}
