//! The harness, over the extension whose backend is a folder. This program is everything: the tests of the harness, an author's test
//! that uses it, and the extension itself.

use libtest_mimic::{Arguments, Failed, Trial};
use sandboxer_conformance::{ALL, Subject, harness};
use sandboxer_sdk::testing::FolderExtension;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

/// Names the folder in which an author's test is. Without it, the harness itself is tested.
const AUTHOR: &str = "SANDBOXER_TEST_AUTHOR";

const MANIFEST: &str = "id: ext.folder
title: A folder
handler: exec:folder
capabilities: {isolation_levels: [none], pricing_model: free, verbs: [validate, recover, list, status]}
config: {folder: ../kept}
";

#[allow(clippy::disallowed_methods, reason = "tests are told by the environment")]
fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--serve") {
        return sandboxer_sdk::serve(FolderExtension);
    }
    if let Some(folder) = std::env::var_os(AUTHOR) {
        return authors_test(Path::new(&folder));
    }
    let trials = vec![
        Trial::test("checks_are_listed_as_tests", checks_are_listed),
        Trial::test("one_test_is_one_check", one_test_is_one_check),
        Trial::test("a_failure_says_how_to_repeat_it", a_failure_says_how),
        Trial::test("a_seed_that_is_no_number_is_refused", a_bad_seed),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What an author writes.
fn authors_test(folder: &Path) -> ExitCode {
    let program = std::env::current_exe().expect("this program");
    let mut subject = Subject::of_program(&folder.join("extensions/ext.folder.yaml"), &program).expect("sound");
    subject.program.argv.push("--serve".into());
    harness::run(subject)
}

/// A folder with an author's files, and its temporary folder.
fn author(manifest: &str) -> Result<tempfile::TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    for name in ["extensions", "conformance", "kept", "temporary"] {
        std::fs::create_dir(folder.path().join(name))?;
    }
    std::fs::write(folder.path().join("extensions/ext.folder.yaml"), manifest)?;
    std::fs::write(folder.path().join("conformance/ext.folder.yaml"), "inventory: [ls, -A, kept]\n")?;
    Ok(folder)
}

fn run(folder: &Path, arguments: &[&str], seed: &str) -> Result<(Output, String), Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).env(AUTHOR, folder).env("SANDBOXER_SEED", seed).env("TMPDIR", folder.join("temporary"));
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output, text))
}

fn hold(holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what.into()) }
}

fn checks_are_listed() -> Result<(), Failed> {
    let folder = author(MANIFEST)?;
    let (_, text) = run(folder.path(), &["--list", "--format", "terse"], "1")?;
    let listed: Vec<&str> = text.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let all: Vec<String> = ALL.iter().map(|check| format!("[{}] {}", check.level, check.id)).collect();
    hold(listed == all, &text)
}

fn one_test_is_one_check() -> Result<(), Failed> {
    let folder = author(MANIFEST)?;
    let (output, text) = run(folder.path(), &["--exact", "killed-at-every-message"], "1")?;
    hold(output.status.success() && text.contains("1 passed; 0 failed; 0 ignored"), &text)?;
    let (output, text) = run(folder.path(), &["--exact", "secrets-stay-secret"], "1")?;
    hold(output.status.success() && text.contains("0 passed; 0 failed; 1 ignored"), &text)?;
    let ledgers = std::fs::read_dir(folder.path().join("temporary/sandboxer-conformance/ext.folder"))?;
    let names: Vec<_> = ledgers.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    hold(names == ["lock"], &format!("{names:?}"))?;
    hold(std::fs::read_dir(folder.path().join("kept"))?.next().is_none(), "nothing is kept")
}

fn a_failure_says_how() -> Result<(), Failed> {
    // It has no `prices`, whatever its manifest says.
    let folder = author(&MANIFEST.replace("status]", "status, prices]"))?;
    let (output, text) = run(folder.path(), &["--exact", "describe-is-pure"], "77")?;
    hold(!output.status.success() && text.contains("its manifest declares `prices`"), &text)?;
    hold(text.contains("again: SANDBOXER_SEED=77 cargo test describe-is-pure"), &text)
}

fn a_bad_seed() -> Result<(), Failed> {
    let folder = author(MANIFEST)?;
    let (output, text) = run(folder.path(), &["--exact", "describe-is-pure"], "seven")?;
    hold(!output.status.success() && text.contains("SANDBOXER_SEED is not a number"), &text)
}
