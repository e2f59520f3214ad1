//! The binary, as a person runs it.

use crate::peers::run;
use crate::sample::{ROUNDS, Sample, Table};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The binary under measurement.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_sandboxer");

/// Measures whole commands: as who runs this, and as an ordinary user where that can be had.
pub(crate) fn measure(table: &mut Table) {
    table.times("sandboxer --version", &Sample::of(ROUNDS, || assert!(run(&[BINARY, "--version"]))), "≤ 2");
    let state = tempfile::tempdir().unwrap();
    let state_dir = format!("--state-dir={}", state.path().display());
    let whole = Sample::of(ROUNDS, || assert!(run(&[BINARY, &state_dir, "run", "--", "true"])));
    table.times("sandboxer run -- true", &whole, "≤ 10, p99 ≤ 20, ≤ 3 × bwrap");
    exec(table, &state_dir);
    ordinary_user(table);
}

fn exec(table: &mut Table, state_dir: &str) {
    assert!(run(&[BINARY, state_dir, "create", "local", "--name", "bench"]));
    let sample = Sample::of(ROUNDS, || assert!(run(&[BINARY, state_dir, "exec", "bench", "--", "true"])));
    table.times("sandboxer exec -- true", &sample, "≤ 4");
    assert!(run(&[BINARY, state_dir, "rm", "bench"]));
}

fn ordinary_user(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (binary, home) = (folder.path().join("sandboxer"), folder.path().join("home"));
    std::fs::copy(BINARY, &binary).unwrap();
    std::fs::create_dir(&home).unwrap();
    if std::os::unix::fs::chown(&home, Some(4242), Some(4242)).is_err() {
        table.figures("sandboxer run -- true, ordinary user", "needs root to become one", "≤ 10");
        return;
    }
    let text = |path: &Path| path.display().to_string();
    let (binary, state_dir) = (text(&binary), format!("--state-dir={}", text(&home.join("state"))));
    let home = format!("HOME={}", text(&home));
    let argv = [
        "setpriv",
        "--reuid=4242",
        "--regid=4242",
        "--clear-groups",
        "env",
        &home,
        &binary,
        &state_dir,
        "run",
        "--",
        "true",
    ];
    let whole = Sample::of(ROUNDS, || assert!(run(&argv)));
    table.times("the same, ordinary user (with setpriv and env)", &whole, "≤ 10, p99 ≤ 20");
}
