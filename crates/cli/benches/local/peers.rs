//! What others take for the same.

use crate::sample::{ROUNDS, Sample, Table};
use std::process::{Command, Stdio};

/// Runs a command quietly; whether it succeeded.
pub(crate) fn run(argv: &[&str]) -> bool {
    Command::new(argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

const PEERS: [(&str, &[&str]); 5] = [
    ("spawn of `true` on the host", &["true"]),
    ("unshare: user, mount, pid, net, ipc, uts", &["unshare", "-UrmpfniuC", "--mount-proc", "true"]),
    (
        "bwrap --unshare-all",
        &[
            "bwrap",
            "--unshare-all",
            "--ro-bind",
            "/usr",
            "/usr",
            "--symlink",
            "usr/bin",
            "/bin",
            "--symlink",
            "usr/lib",
            "/lib",
            "--symlink",
            "usr/lib64",
            "/lib64",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            "true",
        ],
    ),
    ("docker run (busybox image)", &["docker", "run", "--rm", "--network=none", "busybox", "true"]),
    ("podman run (busybox image)", &["podman", "run", "--rm", "--network=none", "busybox", "true"]),
];

/// Measures those that work here, and says which do not.
pub(crate) fn measure(table: &mut Table) {
    for (name, argv) in PEERS {
        if run(argv) {
            table.times(name, &Sample::of(ROUNDS, || assert!(run(argv), "{name} failed")), "-");
        } else {
            table.figures(name, "does not run here", "-");
        }
    }
}
