//! Whether the namespaces of a sandbox can be made, and used. Runs in a process of its own, with one thread.

use super::Finding;
use crate::local::inside::become_root;
use crate::local::mounts;
use crate::local::namespaces::{self, Identities};
use crate::local::sys::{self, Cloned};
use crate::local::uid_range;
use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use rustix::pipe::PipeFlags;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
/// For the range of ids that is tried: nothing is made with it.
const TRIED_RANGE: u32 = 0x7000_0000;

/// What was tried inside, in this order; the first failure ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Namespaces,
    Mounts,
    Proc,
    Done,
}

/// Everything that has to do with namespaces.
pub(super) fn findings() -> Vec<Finding> {
    let (step, cause) = match attempt() {
        Ok(outcome) => outcome,
        Err(error) => (Step::Namespaces, error.to_string()),
    };
    let mut findings = vec![match step {
        Step::Namespaces => Finding::missing("user namespaces", cause.as_str(), fix_for_namespaces()),
        Step::Mounts if is_on(APPARMOR) => Finding::missing("user namespaces", cause.as_str(), apparmor_fix()),
        _ => Finding::ok("user namespaces", "can be made"),
    }];
    findings.extend(match step {
        Step::Namespaces => None,
        Step::Mounts => Some(Finding::missing("mounts", cause.as_str(), "use Linux 5.14 or newer")),
        _ => Some(Finding::ok("mounts", "can be made and restricted")),
    });
    findings.extend(match step {
        Step::Namespaces | Step::Mounts => None,
        Step::Proc => Some(Finding::missing(
            "proc",
            format!("a new one cannot be mounted, as where parts of the host's are covered: {cause}"),
            "in a container, run it with `--security-opt systempaths=unconfined` (docker) or `--security-opt unmask=ALL` \
             (podman)",
        )),
        Step::Done => Some(Finding::ok("proc", "a new one can be mounted")),
    });
    findings
}

fn attempt() -> io::Result<(Step, String)> {
    let (go, starter) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (answer, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWNET;
    match sys::clone(flags)? {
        Cloned::Child => {
            drop(starter);
            let told = try_inside(&go).and_then(|outcome| Ok(serde_json::to_vec(&outcome)?));
            let told = told.and_then(|text| File::from(writer).write_all(&text));
            std::process::exit(i32::from(told.is_err()))
        }
        Cloned::Parent(pid, process) => {
            drop(writer);
            let has_range = uid_range::available()?;
            let identities = if has_range { Identities::Range(TRIED_RANGE) } else { Identities::Caller };
            let mapped = namespaces::map_identities(pid, identities).map_err(io::Error::other);
            let said = mapped.and_then(|()| {
                rustix::io::write(&starter, &[u8::from(has_range)])?;
                let mut text = Vec::new();
                File::from(answer).read_to_end(&mut text)?;
                Ok(serde_json::from_slice(&text)?)
            });
            namespaces::end(&process).map_err(io::Error::other)?;
            said
        }
    }
}

fn try_inside(go: &OwnedFd) -> io::Result<(Step, String)> {
    let mut has_range = [0];
    if rustix::io::read(go, &mut has_range)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if has_range == [1] {
        become_root().map_err(detail)?;
    }
    if let Err(error) = try_mounts() {
        return Ok((Step::Mounts, error.to_string()));
    }
    match try_proc() {
        Err(error) => Ok((Step::Proc, error.to_string())),
        Ok(()) => Ok((Step::Done, String::new())),
    }
}

/// On a file system of its own, so that no folder has to be made anywhere. `/` is always there to be covered.
fn try_mounts() -> io::Result<()> {
    let flags = rustix::mount::MountFlags::NOSUID;
    mounts::make_private().map_err(detail)?;
    rustix::mount::mount(c"tmpfs", c"/tmp", c"tmpfs", flags, None)?;
    rustix::fs::mkdir(c"/tmp/usr", Mode::RWXU)?;
    mounts::bind(Path::new("/usr"), Path::new("/tmp/usr"), mounts::READ_ONLY).map_err(detail)
}

fn try_proc() -> io::Result<()> {
    rustix::fs::mkdir(c"/tmp/proc", Mode::RWXU)?;
    mounts::fresh(c"proc", Path::new("/tmp/proc"), None).map_err(detail)
}

fn detail(error: impl std::error::Error) -> io::Error {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    io::Error::other(format!("{error}: {cause}"))
}

fn is_on(setting: &str) -> bool {
    std::fs::read_to_string(setting).is_ok_and(|value| value.trim() == "1")
}

fn fix_for_namespaces() -> String {
    let zero = |setting: &str| std::fs::read_to_string(setting).is_ok_and(|value| value.trim() == "0");
    if zero("/proc/sys/user/max_user_namespaces") {
        "sudo sysctl -w user.max_user_namespaces=15000".to_owned()
    } else if zero("/proc/sys/kernel/unprivileged_userns_clone") {
        "sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned()
    } else if is_on(APPARMOR) {
        apparmor_fix()
    } else {
        "allow user namespaces; in a container, run it with `--security-opt seccomp=unconfined`, or give it its own VM"
            .to_owned()
    }
}

/// A profile for this program alone keeps the restriction for all others.
fn apparmor_fix() -> String {
    let program =
        std::env::current_exe().map_or_else(|_| "/usr/bin/sandboxer".to_owned(), |it| it.display().to_string());
    format!(
        "printf 'abi <abi/4.0>,\\nprofile sandboxer {program} flags=(unconfined) {{ userns, }}\\n' | sudo tee \
         /etc/apparmor.d/sandboxer && sudo apparmor_parser -r /etc/apparmor.d/sandboxer"
    )
}
