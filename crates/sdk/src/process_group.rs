//! Process groups: everything that a program started and did not send away, ended together.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// Names, in the environment of whatever `sandboxer` starts for an extension, the `sandboxer` process that did so.
pub const PROCESS_VARIABLE: &str = "SANDBOXER_PROCESS";

/// How often an ending group is looked at.
const INTERVAL: Duration = Duration::from_millis(2);

/// One process group, by the pid of its leader. The kernel gives that number to nobody else while the group has members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessGroup(Pid);

impl ProcessGroup {
    /// The group that the process of this number leads or led; `None` for what cannot be one.
    pub fn of(leader: u32) -> Option<Self> {
        // 1 would mean every process there is.
        i32::try_from(leader).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw).map(Self)
    }

    /// The number of its leader.
    pub fn leader(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Whether any member lives. A zombie does not.
    pub fn lives(self) -> bool {
        // Without permission there is somebody.
        !matches!(test_kill_process_group(self.0), Err(Errno::SRCH)) && !self.members().is_empty()
    }

    /// Whether a living member was started for the `sandboxer` process of this name.
    pub fn was_started_by(self, process: &str) -> bool {
        let marker = format!("{PROCESS_VARIABLE}={process}");
        let bears_it = |pid: &i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
        };
        self.members().iter().any(bears_it)
    }

    /// Sends a signal to all members. A group without any has no use for it.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        match kill_process_group(self.0, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills all members and waits until none lives; a fault when one still does after `limit`.
    pub async fn kill(self, limit: Duration) -> io::Result<()> {
        self.signal(Signal::KILL)?;
        if self.ends_within(limit).await {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("process group {} does not end", self.leader())))
    }

    /// Waits until no member lives, at most `limit`. Whether that came to pass.
    pub async fn ends_within(self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.lives() {
            if Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(INTERVAL).await;
        }
        true
    }

    fn members(self) -> Vec<i32> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| group_of(*pid) == Some(self.leader())).collect()
    }
}

/// The group of a living process.
fn group_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces and parentheses of its own. Then: state, parent, group.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(1)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    fn start(script: &str) -> (Child, ProcessGroup) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env(PROCESS_VARIABLE, "this-test").process_group(0).stdout(Stdio::piped());
        let child = command.spawn().expect("sh starts");
        let group = ProcessGroup::of(child.id()).expect("a group");
        (child, group)
    }

    #[tokio::test]
    async fn a_group_ends_as_a_whole_also_when_its_leader_is_gone() {
        let (mut child, group) = start("sleep 1000 & echo");
        child.wait().expect("it ends");
        assert!(group.lives(), "the child of the leader");
        assert!(group.was_started_by("this-test"));
        assert!(!group.was_started_by("this-tes"));
        group.kill(Duration::from_secs(10)).await.expect("it ends");
        assert!(!group.lives());
        group.kill(Duration::from_secs(10)).await.expect("killed twice");
    }

    #[tokio::test]
    async fn a_zombie_does_not_live() {
        let (mut child, group) = start("exit 0");
        assert!(group.ends_within(Duration::from_secs(10)).await, "nobody has waited for it yet");
        child.wait().expect("it ended");
    }

    #[test]
    fn no_group_is_everybody() {
        for pid in [0, 1, u32::MAX] {
            assert_eq!(ProcessGroup::of(pid), None);
        }
    }
}
