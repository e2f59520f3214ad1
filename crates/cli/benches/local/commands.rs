//! The binary, as a person runs it.

use crate::peers::run;
use crate::sample::{ROUNDS, Sample, Table};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The binary under measurement: the one that was built beside this program.
pub(crate) fn binary() -> String {
    let this = std::env::current_exe().unwrap();
    let binary = this.parent().and_then(Path::parent).unwrap().join("sandboxer");
    assert!(binary.is_file(), "build it first: cargo build --release --package sandboxer");
    binary.display().to_string()
}

/// Measures whole commands: as who runs this, and as an ordinary user where that can be had.
pub(crate) fn measure(table: &mut Table) {
    let binary = binary();
    table.times("sandboxer --version", &Sample::of(ROUNDS, || assert!(run(&[&binary, "--version"]))), "≤ 2");
    let state = tempfile::tempdir().unwrap();
    let state_dir = format!("--state-dir={}", state.path().display());
    let whole = Sample::of(ROUNDS, || assert!(run(&[&binary, &state_dir, "run", "--", "true"])));
    table.times("sandboxer run -- true", &whole, "≤ 10, p99 ≤ 20, ≤ 3 × bwrap");
    exec(table, &binary, &state_dir);
    ordinary_user(table, &binary);
}

fn exec(table: &mut Table, binary: &str, state_dir: &str) {
    assert!(run(&[binary, state_dir, "create", "local", "--name", "bench"]));
    let sample = Sample::of(ROUNDS, || assert!(run(&[binary, state_dir, "exec", "bench", "--", "true"])));
    table.times("sandboxer exec -- true", &sample, "≤ 4");
    assert!(run(&[binary, state_dir, "rm", "bench"]));
}

fn ordinary_user(table: &mut Table, measured: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (binary, home) = (folder.path().join("sandboxer"), folder.path().join("home"));
    std::fs::copy(measured, &binary).unwrap();
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
