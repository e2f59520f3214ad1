//! The conformance suite over our own extensions, the references and what `ext new` writes, beside real backends.

mod subjects;

use sandboxer_types::{CheckOutcome, ConformanceReport};
use std::path::Path;
use subjects::Subject;

/// Runs the whole suite over a subject. Whatever it declares it must hold.
fn holds(name: &str) {
    let subject = Subject::new(name, Path::new(env!("CARGO_BIN_EXE_sandboxer")));
    let mut words = vec!["--json", "--seed", "6", "--kills", "8"];
    let chosen = std::env::var("SANDBOXER_TEST_CHECKS").unwrap_or_default();
    words.extend(chosen.split_whitespace().flat_map(|check| ["--check", check]));
    let output = subject.test(&words).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let report: ConformanceReport =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{name}: {fault}\n{said}"));
    let failed: Vec<String> = report
        .checks
        .iter()
        .filter(|check| check.outcome == CheckOutcome::Failed)
        .map(|check| {
            format!(
                "{}: {}\n    {}",
                check.id,
                check.reason.as_deref().unwrap_or_default(),
                check.transcript.join("\n    ")
            )
        })
        .collect();
    for check in &report.checks {
        println!(
            "{} {} {} ms {}",
            check.outcome,
            check.id,
            check.duration_ms,
            check.reason.as_deref().unwrap_or_default()
        );
    }
    assert!(failed.is_empty(), "{name} fails\n{}", failed.join("\n"));
    assert_eq!(report.left_over, [""; 0], "{name}");
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
