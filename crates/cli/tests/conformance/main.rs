//! The conformance suite over our own extensions, the references and what `ext new` writes, beside real backends.
//!
//! `SANDBOXER_TEST_CHECKS` names the only checks to run, all when it is empty; `SANDBOXER_PUBLISH` a folder that is given the reports.

#![allow(clippy::disallowed_methods, reason = "a test is told from outside what to run, and where cargo is")]

mod subjects;

use sandboxer_types::{CheckOutcome, ConformanceReport};
use std::path::Path;
use subjects::{BY_SSH, Subject};

/// Of the suite over a backend behind ssh, which takes many minutes whole: `cargo xtask conformance` runs and publishes all of it.
const SAMPLE: &str = "manifest-is-sound describe-is-pure ends-with-its-input wrong-inputs-are-named other-protocols-are-refused \
     lifecycle-in-fresh-processes gone-means-gone neighbours-are-left-alone unknown-ids-are-no-error minimal-handle-is-enough \
     killed-at-random no-late-birth backend-down-is-an-error owners-never-meet exec-statuses";

/// Runs the suite over a subject. Whatever it declares it must hold. What the suite says goes on as it comes, so that a run that
/// is killed has told how far it came.
fn holds(name: &str) {
    let subject = Subject::new(name, Path::new(env!("CARGO_BIN_EXE_sandboxer")));
    let is_far = BY_SSH.contains(&name);
    let mut words = vec!["--seed", "6", "--kills", if is_far { "4" } else { "6" }, "--report", "report.json"];
    let sample = if is_far { SAMPLE } else { "" };
    let chosen = std::env::var("SANDBOXER_TEST_CHECKS").unwrap_or_else(|_| sample.to_owned());
    words.extend(chosen.split_whitespace().flat_map(|check| ["--check", check]));
    let mut command = subject.test(&words);
    let report = command.get_current_dir().expect("a folder of its own").join("report.json");
    let status = command.status().expect("it starts");
    let report = std::fs::read(report).unwrap_or_else(|fault| panic!("{name}: {status}: {fault}"));
    let report: ConformanceReport = serde_json::from_slice(&report).expect("a report");
    let failed = report.checks.iter().filter(|check| check.outcome == CheckOutcome::Failed);
    let failed: Vec<String> =
        failed.map(|check| format!("{}: {}", check.id, check.reason.as_deref().unwrap_or_default())).collect();
    assert!(failed.is_empty(), "{name} fails\n{}", failed.join("\n"));
    assert_eq!(report.left_over, [""; 0], "{name}");
    assert!(status.success(), "{name}: {status}");
    if let Some(folder) = std::env::var_os("SANDBOXER_PUBLISH") {
        let text = serde_json::to_string_pretty(&report).expect("a report") + "\n";
        std::fs::write(Path::new(&folder).join(format!("{name}.json")), text).expect("a folder for reports");
    }
}

mod root {
    #[test]
    fn local() {
        super::holds("local");
    }

    #[test]
    fn what_ext_new_writes_in_python() {
        super::holds("template-python");
    }

    #[test]
    fn what_ext_new_writes_in_shell() {
        super::holds("template-sh");
    }

    #[test]
    fn what_ext_new_writes_in_rust() {
        super::holds("template-rust");
    }
}

mod docker {
    #[test]
    fn compose_ssh() {
        super::holds("compose-ssh");
    }

    #[test]
    fn compose_ssh_in_python() {
        super::holds("python-compose-ssh");
    }
}

mod netns {
    #[test]
    fn vm_packer() {
        super::holds("vm-packer");
    }

    #[test]
    fn vm_packer_in_python() {
        super::holds("python-vm-packer");
    }
}
