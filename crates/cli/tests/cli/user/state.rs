//! A state directory that cannot be written.

use crate::support::{House, Transcript, Who};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_state_directory_that_cannot_be_written_is_said() {
    let house = House::new(Who::User);
    let mut transcript = Transcript::new(&house);
    transcript.run(&["create", "local", "--name", "before"]).succeeded();
    let set_mode = |mode: u32| {
        for folder in [house.state(), house.state().join("processes"), house.local()] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).expect("root");
        }
    };
    transcript.note("the state directory cannot be written");
    set_mode(0o500);
    // Whether the database can be read without writing depends on what the last process left beside it.
    let looked = house.run(&["ls"]);
    assert!(looked.status == 0 || looked.stderr.contains("cannot be written"), "{looked:?}");
    transcript.run(&["exec", "before", "--", "true"]).ended_with(125);
    for arguments in [&["create", "local"][..], &["rm", "before"], &["reconcile"]] {
        transcript.run(arguments).ended_with(6);
    }
    transcript.run(&["run", "--", "true"]).ended_with(125);
    transcript.note("it can be written again");
    set_mode(0o700);
    transcript.run(&["ls"]).succeeded();
    transcript.run(&["rm", "before"]).succeeded();
    transcript.matches("read-only-state");
}

#[test]
fn a_state_directory_of_somebody_else_is_said() {
    let house = House::new(Who::User);
    let mut transcript = Transcript::new(&house);
    std::os::unix::fs::chown(house.state(), Some(0), Some(0)).expect("root");
    for mode in [0o755, 0o700] {
        std::fs::set_permissions(house.state(), std::fs::Permissions::from_mode(mode)).expect("root");
        transcript.note(&format!("root's alone, mode {mode:o}"));
        transcript.run(&["ls"]).ended_with(6);
        transcript.run(&["run", "--", "true"]).ended_with(125);
    }
    transcript.matches("somebody-elses-state");
}
