//! A disk that is full.

use crate::support::{House, Sandbox, Who};
use std::path::PathBuf;

/// A state directory on a small disk of its own, in a mount namespace that ends with this.
struct SmallDisk {
    keeper: std::process::Child,
    /// The state directory, as seen from outside the namespace.
    state: PathBuf,
}

impl SmallDisk {
    fn new(house: &House) -> Self {
        let script = "mount -t tmpfs -o size=4m none \"$1\" && echo ready && exec cat";
        let mut command = house.program_command("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"]).arg(house.state());
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let keeper = command.stdin(std::process::Stdio::piped()).stdout(writer).spawn().expect("unshare starts");
        drop(command);
        let mut said = [0; 6];
        std::io::Read::read_exact(&mut reader, &mut said).expect("the disk is there");
        let pid = keeper.id();
        house.run_through(["nsenter", &format!("--mount=/proc/{pid}/ns/mnt")]);
        house.run_through([&format!("--wd={}", house.work().display()), "--"]);
        let state = PathBuf::from(format!("/proc/{pid}/root{}", house.state().display()));
        Self { keeper, state }
    }

    fn fill(&self) {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.state.join("ballast"))
            .expect("room for a name");
        for size in [64 * 1024, 4096, 1] {
            while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
        }
    }

    /// How many there are, by their folders.
    fn sandboxes(&self) -> usize {
        std::fs::read_dir(self.state.join("local")).expect("there").count()
    }

    fn empty(&self) {
        std::fs::remove_file(self.state.join("ballast")).expect("there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.keeper.kill().expect("a child");
        self.keeper.wait().expect("a child");
    }
}

/// Each command does what it was told or says that the disk is full: a database may have room of its own left.
#[test]
fn a_full_disk_loses_nothing() {
    let house = House::new(Who::Caller);
    let disk = SmallDisk::new(&house);
    let sandbox = Sandbox::create(&house, "local --name before");
    let mut failures = 0;
    for _ in 0..3 {
        for arguments in [&["create", "local"][..], &["run", "--", "true"], &["extend", "before", "2h"], &["ls"]] {
            disk.fill();
            let outcome = house.run(arguments);
            let is_run = arguments[0] == "run";
            assert!([0, if is_run { 125 } else { 5 }].contains(&outcome.status), "{arguments:?}: {outcome:?}");
            let says_so = outcome.stderr.contains("is full") || outcome.stderr.contains("No space left");
            assert_eq!(outcome.status != 0, says_so, "{arguments:?}: {outcome:?}");
            failures += usize::from(says_so);
        }
    }
    assert!(failures >= 3, "the disk was hardly full: {failures}");
    disk.empty();
    assert_eq!(sandbox.sh("echo still here").succeeded().text(), "still here\n");
    house.run(&["reconcile"]).succeeded();
    sandbox.sh("true").succeeded();
    house.run(&["rm", "--all"]).succeeded();
    assert_eq!(disk.sandboxes(), 0);
}

#[test]
fn a_removal_on_a_full_disk_is_done_or_owed() {
    let house = House::new(Who::Caller);
    let disk = SmallDisk::new(&house);
    Sandbox::create(&house, "local --name before");
    disk.fill();
    let outcome = house.run(&["rm", "before"]);
    assert!(outcome.status == 0 || outcome.status == 5 && outcome.stderr.contains("is full"), "{outcome:?}");
    assert!(outcome.status != 0 || disk.sandboxes() == 0);
    disk.empty();
    house.run(&["reconcile"]).succeeded();
    house.run(&["rm", "--all"]).succeeded();
    assert_eq!(disk.sandboxes(), 0);
}
