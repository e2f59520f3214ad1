//! The same tests again, as an ordinary user.

use libtest_mimic::{Failed, Trial};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const USER: &str = "4242";

pub(crate) fn trials() -> Vec<Trial> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    vec![Trial::test("as_an_ordinary_user", as_an_ordinary_user)]
}

/// From a copy, since the build folder may be root's alone.
fn as_an_ordinary_user() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let program = folder.path().join("local");
    std::fs::copy("/proc/self/exe", &program)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let output = Command::new("setpriv")
        .args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"])
        .arg(&program)
        .env("HOME", "/nonexistent")
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(Failed::from(format!("{}\n{}", said(&output.stdout), said(&output.stderr))))
}
