//! The same tests again: as an ordinary user, and through the codec of the extension protocol.

use libtest_mimic::{Failed, Trial};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const USER: &str = "4242";

/// Set for the tests that go through the codec.
const CODEC: &str = "SANDBOXER_TEST_CODEC";

pub(crate) fn trials() -> Vec<Trial> {
    if is_through_the_codec() {
        return Vec::new();
    }
    let mut trials = vec![Trial::test("through_the_codec", through_the_codec)];
    if rustix::process::geteuid().is_root() {
        trials.push(Trial::test("as_an_ordinary_user", as_an_ordinary_user));
    }
    trials
}

#[allow(clippy::disallowed_methods, reason = "a test is told from outside which way to go")]
pub(crate) fn is_through_the_codec() -> bool {
    std::env::var_os(CODEC).is_some()
}

fn through_the_codec() -> Result<(), Failed> {
    finished(Command::new("/proc/self/exe").env(CODEC, "1"))
}

/// From a copy, since the build folder may be root's alone.
fn as_an_ordinary_user() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let program = folder.path().join("local");
    std::fs::copy("/proc/self/exe", &program)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(&program).env("HOME", "/nonexistent");
    finished(&mut command)
}

fn finished(command: &mut Command) -> Result<(), Failed> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(Failed::from(format!("{}\n{}", said(&output.stdout), said(&output.stderr))))
}
