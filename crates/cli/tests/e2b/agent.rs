//! How the agent is started for a test, and what it says of itself.

use crate::namespace::Namespace;
use std::path::Path;
use std::process::Command;

/// Where the SDKs look for an agent in debug mode.
pub(crate) const PORT: u16 = 49983;
/// The default user of the sandbox. Nobody else has to know it.
pub(crate) const USER: &str = "user";
pub(crate) const USER_ID: u32 = 4242;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sandboxer");

/// The accounts of the sandbox replace those of the machine for the agent alone: it is in a mount namespace of its own.
const WITH_ACCOUNTS: &str = r#"mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@""#;

/// The command that starts the agent inside of a namespace, with its files in a folder of the test's.
pub(crate) fn command(namespace: &Namespace, folder: &Path, token: Option<&Path>) -> Command {
    let accounts = accounts(folder);
    let mut command = namespace.command("sh");
    command.args(["-c", WITH_ACCOUNTS, "sh"]).args(accounts);
    command.args([PROGRAM, "agent", "--listen", &format!("127.0.0.1:{PORT}"), "--user", USER]);
    if let Some(token) = token {
        command.arg("--token-file").arg(token);
    }
    command
}

/// Which envd the agent is as good as. SDKs switch features by that.
pub(crate) fn envd_version() -> String {
    let output = Command::new(PROGRAM).args(["agent", "--envd-version"]).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a version").trim().to_owned()
}

/// Where the default user is at home.
pub(crate) fn home(folder: &Path) -> std::path::PathBuf {
    folder.join("home")
}

fn accounts(folder: &Path) -> [std::path::PathBuf; 2] {
    let home = home(folder);
    let [passwd, group] = ["passwd", "group"].map(|name| folder.join(name));
    let users = format!("root:x:0:0::/root:/bin/bash\n{USER}:x:{USER_ID}:{USER_ID}::{}:/bin/bash\n", home.display());
    std::fs::write(&passwd, users).expect("ours");
    std::fs::write(&group, format!("root:x:0:\ntty:x:5:\n{USER}:x:{USER_ID}:\n")).expect("ours");
    [passwd, group]
}
