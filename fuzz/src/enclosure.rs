//! Where a fuzzed agent can do no harm: a thread of its own whose root is an empty file system in memory, in a process
//! without a network. There is no program in it that a request could start.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};
use rustix::thread::{Uid, UnshareFlags, set_thread_res_uid};
use sandboxer_agent::fuzzing::Agent;
use tokio::runtime::Runtime;

/// The file system's size: what requests write is gone after each input.
const SIZE: &str = "64m";

type Job = Box<dyn FnOnce(&Runtime, &Agent) + Send>;

static JOBS: OnceLock<Sender<Job>> = OnceLock::new();

/// To be called first, while the process has one thread. Without the rights for it, nothing is fuzzed.
pub fn enter() {
    // As root without a user namespace: the agent then acts with the rights of whoever asks.
    let apart = UnshareFlags::NEWNS | UnshareFlags::NEWNET;
    if unshare(apart).is_err() {
        let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        unshare(apart | UnshareFlags::NEWUSER).expect("fuzzing needs root, or user namespaces");
        fs::write("/proc/self/setgroups", "deny").expect("groups are given up");
        fs::write("/proc/self/uid_map", format!("0 {user} 1")).expect("a user is mapped");
        fs::write("/proc/self/gid_map", format!("0 {group} 1")).expect("a group is mapped");
    }
    leave_on_panic().expect("the way out is remembered");
    let (sender, jobs) = channel::<Job>();
    std::thread::spawn(move || {
        change_root().expect("an empty root directory");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
        let agent = runtime.block_on(async { Agent::start() }).expect("an agent");
        for job in jobs {
            job(&runtime, &agent);
        }
    });
    JOBS.set(sender).expect("it is entered once");
}

/// Does `work` in there.
pub fn inside<Output: Send + 'static>(work: impl FnOnce(&Runtime, &Agent) -> Output + Send + 'static) -> Output {
    let (answer, result) = channel();
    let job: Job = Box::new(move |runtime, agent| answer.send(work(runtime, agent)).expect("somebody waits"));
    JOBS.get().expect("it was entered").send(job).expect("the thread lives");
    result.recv().expect("the thread lives")
}

/// A thread that panics writes the input down: where libFuzzer wants it, with the rights of who fuzzes.
fn leave_on_panic() -> io::Result<()> {
    let remember = |path: &str| open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let (root, here): (OwnedFd, OwnedFd) = (remember("/")?, remember(".")?);
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let left = set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
            .and_then(|()| rustix::process::fchdir(&root))
            .and_then(|()| rustix::process::chroot("."))
            .and_then(|()| rustix::process::fchdir(&here));
        if let Err(error) = left {
            eprintln!("the input cannot be written down: {error}");
        }
        abort(panic);
    }));
    Ok(())
}

fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: what is given up is not used elsewhere: the process, or the thread, has only just begun.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Of this thread alone, and of those that it starts.
fn change_root() -> io::Result<()> {
    unshare(UnshareFlags::FS)?;
    let settings = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&settings, "size", SIZE)?;
    fsconfig_set_string(&settings, "mode", "0755")?;
    fsconfig_create(&settings)?;
    let root = fsmount(&settings, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    rustix::process::fchdir(&root)?;
    rustix::process::chroot(".")?;
    assert!(fs::read_dir("/")?.next().is_none(), "something of the host is left");
    Ok(())
}
