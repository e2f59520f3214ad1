//! Namespaces that live as long as somebody holds them.

use crate::docker::remove_cgroups;
use crate::processes::{self, Process};
use crate::wait::until_ended;
use rustix::fd::OwnedFd;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// The first process of a host. Nobody waits for the orphans that it inherits: the kernel buries them itself. It ends with
/// the pipe on its standard input, and the kernel with it everything else in these namespaces.
const HOST: &str = r#"
set -eu
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/tools
if [ -d "$2" ]; then mount --bind "$2" /mnt/tools; fi
for place in /root /home /tmp /run \
  /usr/lib/docker/cli-plugins /usr/libexec/docker/cli-plugins /usr/local/lib/docker/cli-plugins; do
  if [ -d "$place" ]; then mount -t tmpfs -o mode=755 none "$place"; fi
done
mkdir -p /run/sshd /run/lock
for place in etc var; do
  mkdir -p "/run/over/$place/upper" "/run/over/$place/work"
  mount -t overlay -o "lowerdir=/$place,upperdir=/run/over/$place/upper,workdir=/run/over/$place/work" none "/$place"
done
# What engines lay over each other must not lie on such a layer itself.
for place in /var/tmp /var/lib/docker /var/lib/containers; do
  mkdir -p "$place"
  mount -t tmpfs -o mode=755 none "$place"
done
chmod 700 /root
chmod 1777 /tmp /var/tmp
mount -o remount,bind,ro /
hostname "$1"
ip link set lo up
echo ready
exec env --ignore-signal=CHLD cat
"#;

/// The same for a network alone, and for processes alone.
const NETWORK: &str = "set -eu\nip link set lo up\necho ready\nexec cat\n";
const CELL: &str = "echo ready\nexec env --ignore-signal=CHLD cat\n";

/// Namespaces, and the process that holds them.
#[derive(Debug)]
pub(crate) struct Space {
    keeper: Child,
    /// Its end is the end of everything inside, even when this process is killed.
    _life: ChildStdin,
    first: u32,
    handle: OwnedFd,
    entered: &'static [&'static str],
}

impl Space {
    /// A network without any way out.
    pub(crate) fn network() -> Self {
        Self::start(&[], &["--net"], &["--net"], NETWORK, &[])
    }

    /// Processes of their own in another's network. All files are those of this machine.
    pub(crate) fn cell(network: &Self) -> Self {
        let target = format!("--target={}", network.first);
        let made = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
        let entered = &["--net", "--mount", "--pid"];
        Self::start(&["nsenter", &target, "--net", "--"], &made, entered, CELL, &[])
    }

    /// A machine: processes, a network and a name of its own; places to write that are its own; nothing else can be
    /// written. What is in the folder `tools` stands in `/mnt/tools`.
    pub(crate) fn host(name: &str, tools: &Path) -> Self {
        let made = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"];
        let tools = tools.to_str().expect("a plain path");
        Self::start(&[], &made, &["--net", "--mount", "--uts", "--ipc", "--pid"], HOST, &[name, tools])
    }

    fn start(
        before: &[&str],
        made: &[&str],
        entered: &'static [&'static str],
        script: &str,
        arguments: &[&str],
    ) -> Self {
        let words = [before, &["unshare"], made, &["/bin/sh", "-c", script, "first"], arguments].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
        let mut keeper = command.spawn().expect("unshare starts");
        let life = keeper.stdin.take().expect("piped");
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().expect("piped")).read_line(&mut said).expect("a pipe");
        if said != "ready\n" {
            let mut why = String::new();
            keeper.stderr.take().expect("piped").read_to_string(&mut why).expect("text");
            panic!("no namespaces: {why}");
        }
        let first = match made.contains(&"--fork") {
            true => *processes::numbers_of_children(keeper.id()).first().expect("it said that it is there"),
            false => keeper.id(),
        };
        let handle = processes::handle(first).expect("it said that it is there");
        Self { keeper, _life: life, first, handle, entered }
    }

    /// The process that holds them.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// The words that precede a program's, so that it runs inside.
    pub(crate) fn prefix(&self) -> Vec<String> {
        let target = ["nsenter".to_owned(), format!("--target={}", self.first)];
        target.into_iter().chain(self.entered.iter().map(|&word| word.to_owned())).chain(["--".to_owned()]).collect()
    }

    /// A program, to be run inside.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let prefix = self.prefix();
        let mut command = Command::new(&prefix[0]);
        command.args(&prefix[1..]).arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a program inside to its end, and returns what it printed.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.run_with_input(words, b"")
    }

    /// The same with that on its standard input.
    #[track_caller]
    pub(crate) fn run_with_input(&self, words: &[&str], input: &[u8]) -> String {
        let mut command = self.command(words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter starts");
        // One that fails may not read.
        drop(child.stdin.take().expect("piped").write_all(input));
        let output = child.wait_with_output().expect("a child");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Where a file that is inside is seen from outside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.first))
    }

    /// What runs inside, but for the first process.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let space = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = space(self.first);
        processes::all()
            .filter(|pid| *pid != self.first && own.is_some() && space(*pid) == own)
            .filter_map(processes::process)
            .collect()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // Either may have ended by itself.
        rustix::process::pidfd_send_signal(&self.handle, rustix::process::Signal::KILL).unwrap_or_default();
        drop(self.keeper.wait());
        until_ended(&self.handle);
        remove_cgroups();
    }
}
