//! A disk that is full.

use crate::support::{House, Transcript, Who};
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
        let mut file = std::fs::File::create(self.state.join("ballast")).expect("room for a name");
        for size in [64 * 1024, 4096, 1] {
            while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
        }
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

#[test]
fn a_full_disk_loses_nothing() {
    let house = House::new(Who::Caller);
    let disk = SmallDisk::new(&house);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["create", "local", "--name", "before"]).succeeded();
    transcript.note("the disk is filled");
    disk.fill();
    let is_full = |arguments: &[&str], status| {
        let outcome = house.run(arguments).ended_with(status);
        assert!(outcome.stderr.contains("error: the disk that holds the store is full"), "{outcome:?}");
    };
    for arguments in [&["create", "local"][..], &["extend", "before", "2h"], &["rm", "before"], &["rm", "--all"]] {
        is_full(arguments, 5);
    }
    is_full(&["run", "--", "true"], 125);
    // Whether the database can be read without writing depends on what the last process left beside it.
    let looked = house.run(&["ls"]);
    let has_read = looked.status == 0 && looked.text().contains("before");
    assert!(has_read || looked.status == 5 && looked.stderr.contains("is full"), "{looked:?}");
    transcript.note("there is room again");
    disk.empty();
    transcript.run(&["exec", "before", "--", "echo", "still here"]).succeeded();
    transcript.run(&["create", "local", "--name", "after"]).succeeded();
    transcript.run(&["rm", "before", "after"]).succeeded();
    transcript.run(&["ls", "--all"]).succeeded();
    transcript.matches("full-disk");
}
