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

const PEERS: [(&str, &[&str]); 3] = [
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
];

/// Podman's own rounds are fewer: each takes a tenth of a second.
const ROUNDS_OF_PODMAN: usize = 30;

/// Measures those that work here, and says which do not.
pub(crate) fn measure(table: &mut Table) {
    for (name, argv) in PEERS {
        if run(argv) {
            table.times(name, &Sample::of(ROUNDS, || assert!(run(argv), "{name} failed")), "-");
        } else {
            table.figures(name, "does not run here", "-");
        }
    }
    podman(table);
}

/// Podman with a store of its own and an image of nothing but busybox, so that nothing is pulled or left.
fn podman(table: &mut Table) {
    const NAME: &str = "podman run, no network";
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (root, run_root, own, image, tar) = (at("root"), at("run"), at("own"), at("image"), at("image.tar"));
    let podman = [
        "podman",
        "--cgroup-manager=cgroupfs",
        "--runtime=runc",
        "--root",
        &root,
        "--runroot",
        &run_root,
        "--tmpdir",
        &own,
    ];
    let with = |words: &[&'static str]| [&podman[..], words].concat();
    std::fs::create_dir(&image).unwrap();
    let made = std::fs::copy("/bin/busybox", format!("{image}/true")).is_ok()
        && run(&["tar", "-C", &image, "-cf", &tar, "."])
        && run(&[&podman[..], &["import", &tar, "busybox"]].concat());
    let limits = ["--ulimit=nofile=1024:4096", "--ulimit=nproc=4096:4096"];
    let argv = with(&["run", "--rm", "--network=none", limits[0], limits[1], "busybox", "/true"]);
    if made && run(&argv) {
        table.times(NAME, &Sample::of(ROUNDS_OF_PODMAN, || assert!(run(&argv), "{NAME} failed")), "-");
    } else {
        table.figures(NAME, "does not run here", "-");
    }
    // Its store is mounted while it lives. All that is reset is in the folder.
    run(&with(&["system", "reset", "--force"]));
}
