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
    transcript.run(&["ls"]).succeeded();
    transcript.run(&["create", "local", "--name", "during"]).ended_with(5);
    transcript.run(&["run", "--", "true"]).ended_with(125);
    transcript.run(&["extend", "before", "2h"]).ended_with(5);
    transcript.run(&["rm", "before"]).ended_with(5);
    transcript.run(&["reconcile"]).succeeded();
    transcript.run(&["exec", "before", "--", "echo", "still here"]).succeeded();
    transcript.run(&["ls"]).succeeded();
    transcript.note("there is room again");
    disk.empty();
    transcript.run(&["exec", "before", "--", "echo", "still here"]).succeeded();
    transcript.run(&["create", "local", "--name", "after"]).succeeded();
    transcript.run(&["rm", "before", "after"]).succeeded();
    transcript.run(&["ls", "--all"]).succeeded();
    transcript.matches("full-disk");
}
