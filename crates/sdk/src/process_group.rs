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

/// A process does not take that long to begin; a kernel that never tells is not waited for.
const BEGINNING: Duration = Duration::from_secs(1);

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
        let bears_it =
            |pid: &i32| environment(*pid).split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes());
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

/// The environment that a process was started with; empty where that cannot be read. One that begins to run a program
/// seems to have none until the kernel has mapped the program, which can take a disk's time, so that is waited out.
fn environment(pid: i32) -> Vec<u8> {
    let begun = std::time::Instant::now();
    loop {
        let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return Vec::new() };
        if !environment.is_empty() || begun.elapsed() > BEGINNING {
            return environment;
        }
        // Fields 50 and 51 of proc_pid_stat(5), where it begins and where it ends: 0 until the kernel knows them.
        let Some(facts) = facts(pid) else { return environment };
        let mut place = facts.split_ascii_whitespace().skip(47);
        match (place.next(), place.next()) {
            (Some(begin), Some(end)) if begin == "0" || begin != end => std::thread::yield_now(),
            _ => return environment,
        }
    }
}

/// The group of a living process.
fn group_of(pid: i32) -> Option<i32> {
    facts(pid)?.split_ascii_whitespace().nth(2)?.parse().ok()
}

/// What the kernel tells of a living process behind its name: state, parent, group and so on.
fn facts(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces and parentheses of its own.
    let facts = stat.rsplit_once(')')?.1.trim_start();
    (!facts.starts_with(['Z', 'X'])).then(|| facts.to_owned())
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

    #[test]
    fn a_member_is_recognised_from_its_first_instant() {
        for _ in 0..300 {
            // The parent goes on as soon as the program is begun, which is before the kernel knows its environment.
            let mut command = Command::new("sleep");
            let mut child =
                command.arg("1000").env(PROCESS_VARIABLE, "this-test").process_group(0).spawn().expect("starts");
            let recognised = ProcessGroup::of(child.id()).is_some_and(|group| group.was_started_by("this-test"));
            child.kill().expect("a child");
            child.wait().expect("a child");
            assert!(recognised);
        }
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
