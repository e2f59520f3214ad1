//! What only root can make: places of their own kind.

use std::path::{Path, PathBuf};
use std::process::Command;

use sandboxer_reach::{AgentPlace, ReachErrorKind as Kind};

use crate::pushing::{names, refusal};
use crate::support::pattern;
use crate::support::sshd::Machine;

/// A file system in memory, until this goes.
struct Mounted(PathBuf);

impl Mounted {
    fn new(place: &Path, options: &str) -> Self {
        std::fs::create_dir(place).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "none"]).arg(place);
        assert!(command.status().unwrap().success());
        Self(place.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg(&self.0).status().unwrap().success());
    }
}

#[tokio::test]
async fn a_place_without_room_or_without_programs_says_so() {
    let machine = Machine::start();
    for (name, options, kind) in
        [("full", "size=64k,mode=700", Kind::Exhausted), ("closed", "noexec,mode=700", Kind::AgentCannotRun)]
    {
        let mounted = Mounted::new(&machine.path(name), options);
        let place = AgentPlace::default().with_programs(mounted.0.to_str().unwrap()).unwrap();
        let error = refusal(&machine, machine.agent(&machine.home(), &pattern(1_000_000)), place).await;
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_eq!(names(&mounted.0), [""; 0]);
    }
}
