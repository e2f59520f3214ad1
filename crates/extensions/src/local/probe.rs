//! What this machine offers and lacks, for `sandboxer doctor`. Changes nothing.

mod cgroup;
mod namespace;

use super::entry::SUPERVISOR_ARGUMENT;
use super::{privileges, uid_range};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The second argument that makes a supervisor look at the machine instead, and tell what it found.
pub(crate) const PROBE_ARGUMENT: &str = "--probe";

/// How well something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// As it should be.
    Ok,
    /// Sandboxes work, with less than they could have.
    Degraded,
    /// Sandboxes do not work without it.
    Missing,
}

/// One thing that sandboxes on this machine need or can use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub name: String,
    /// How well it is there.
    pub status: FindingStatus,
    /// What was found.
    pub detail: String,
    /// What to do about it: a command to paste, where there is one.
    pub fix: Option<String>,
}

impl Finding {
    fn ok(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: FindingStatus::Ok, detail: detail.into(), fix: None }
    }

    fn degraded(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: FindingStatus::Degraded, detail: detail.into(), fix: Some(fix.into()) }
    }

    fn missing(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: FindingStatus::Missing, detail: detail.into(), fix: Some(fix.into()) }
    }
}

/// Looks at the machine. What could disturb this process is tried in another one: `executable`, which must dispatch to
/// [`supervise`](super::supervise). Blocks for some milliseconds.
pub fn probe(executable: &Path) -> Vec<Finding> {
    let mut findings = vec![kernel(), process_descriptors(), filters(), program(executable), user_ids(), sockets()];
    findings.extend(cgroup::findings());
    let tried = try_elsewhere(executable);
    findings.extend(tried.unwrap_or_else(|error| {
        let detail = format!("{} could not try: {error}", executable.display());
        vec![Finding::missing("namespaces", detail, "check that the program can be executed")]
    }));
    findings
}

fn try_elsewhere(executable: &Path) -> io::Result<Vec<Finding>> {
    let output = Command::new(executable)
        .args([SUPERVISOR_ARGUMENT, PROBE_ARGUMENT])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The other process's part: tries, and writes what it found to stdout.
pub(crate) fn answer() -> io::Result<()> {
    let findings = namespace::findings();
    io::stdout().write_all(&serde_json::to_vec(&findings)?)
}

fn kernel() -> Finding {
    const NEEDED: (u32, u32) = (5, 14);
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (0, 0),
    };
    if version >= NEEDED {
        Finding::ok("kernel", release)
    } else {
        let detail = format!("Linux {release} is older than {}.{}", NEEDED.0, NEEDED.1);
        Finding::missing("kernel", detail, "use a newer kernel")
    }
}

fn process_descriptors() -> Finding {
    match rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty()) {
        Ok(_) => Finding::ok("pidfd", "processes can be watched by descriptor"),
        Err(error) => Finding::missing("pidfd", error.to_string(), "use Linux 5.14 or newer"),
    }
}

fn filters() -> Finding {
    match std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.split_ascii_whitespace().any(|action| action == "errno") => {
            Finding::ok("seccomp", "system calls can be filtered")
        }
        Ok(actions) => {
            Finding::missing("seccomp", format!("only {actions}"), "use a kernel with CONFIG_SECCOMP_FILTER")
        }
        Err(error) => Finding::missing("seccomp", error.to_string(), "use a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

/// The agent is this program, and as root it is executed by a user id that no folder and no file is made for.
fn program(executable: &Path) -> Finding {
    let name = "program";
    match std::fs::metadata(executable) {
        Ok(status) if !rustix::process::geteuid().is_root() || status.permissions().mode() & 0o005 == 0o005 => {
            Finding::ok(name, "can be executed inside a sandbox")
        }
        Ok(_) => {
            let path = std::fs::canonicalize(executable).unwrap_or_else(|_| executable.to_owned());
            let fix = format!("chmod a+rx {}", path.display());
            Finding::missing(name, "sandboxes' users may not execute the program", fix)
        }
        Err(error) => Finding::missing(name, error.to_string(), "reinstall sandboxer"),
    }
}

fn sockets() -> Finding {
    let name = "landlock";
    if privileges::can_leave_abstract_sockets_alone() {
        Finding::ok(name, "a sandbox on the host's network is kept from the host's abstract sockets")
    } else {
        let detail = "a sandbox on the host's network can connect to the host's abstract sockets";
        Finding::degraded(name, detail, "use Linux 6.12 or newer with landlock among its security modules")
    }
}

fn user_ids() -> Finding {
    let name = "user ids";
    match uid_range::available() {
        Ok(true) => Finding::ok(name, "each sandbox gets 65536 of its own"),
        Ok(false) => {
            let helper = ["/usr/bin/newuidmap", "/bin/newuidmap"].iter().any(|path| Path::new(path).exists());
            let helper = if helper { "newuidmap is there, and not needed" } else { "newuidmap is not needed" };
            let detail = format!(
                "a sandbox's user is the caller, and there is no root inside ({helper}); network and files are kept apart \
                 all the same"
            );
            Finding::degraded(name, detail, "run as root for a range of ids for each sandbox")
        }
        Err(error) => Finding::missing(name, error.to_string(), "mount /proc"),
    }
}
