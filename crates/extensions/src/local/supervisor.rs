//! The process outside a sandbox that makes it, keeps its lease, and removes it at its end.
//!
//! Single-threaded, with nothing of its starter's but what it was handed. It needs no broker: an expired sandbox leaves
//! nothing though nobody asks for it.

use super::agent_log::AgentLog;
use super::agent_options;
use super::cgroups::Cgroups;
use super::control::Ended;
use super::failure::{DOCTOR, Doing, Fault};
use super::folder::{Folder, JOURNAL};
use super::handover::{self, Answer, Descriptors, Specification};
use super::inside::{Inside, InsideFault};
use super::lock::Lock;
use super::namespaces::{self, Identities, Init};
use super::process::ProcessName;
use super::record::{Record, SupervisorRecord};
use super::remove_tree;
use super::root_file_system::{Exposed, Plan};
use super::sys::{self, Forked};
use super::watch::{self, End, Watch};
use super::{mounts, privileges, seccomp};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Residue};
use std::error::Error;
use std::mem::ManuallyDrop;
use std::os::unix::net::{UnixListener, UnixStream};

const ABSTRACT_SOCKETS: &str = "with `network: host`, abstract sockets of the host can be connected to: Linux 6.12 and \
                                newer can prevent it";

/// Runs as a supervisor. Returns at once in the process that was started, and at the sandbox's end in the one that
/// supervises: it has no parent that would have to reap it.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    sys::close_from(3)?;
    let socket = take_stdin()?;
    // Before the fork, so that the lock is held as long as either process is there.
    let (specification, descriptors) = handover::receive(&socket)?;
    let (first_is_gone, first_lives) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    if let Forked::Parent = sys::fork()? {
        // Only the kernel gives the lock up, when nothing of this process is left to be seen.
        std::mem::forget(descriptors);
        return Ok(());
    }
    drop(first_lives);
    rustix::process::setsid()?;
    rustix::process::fchdir(&descriptors.folder)?;
    rustix::process::umask(Mode::empty());
    let starter = UnixStream::from(socket);
    let supervisor = Supervisor::new(specification, descriptors, first_is_gone);
    let log = supervisor.folder.try_clone()?;
    supervisor.run(&starter).map_err(|fault| {
        let failure = fault.failure(Residue::Unknown);
        let logged = log.log(format!("{}\n", failure.message).as_bytes());
        watch::answer(&starter, &Answer::Failed(Box::new(failure)));
        logged.err().map_or_else(|| fault.into(), Into::into)
    })
}

/// Keeps the socket that is stdin for this process alone, and puts nothing in its place.
fn take_stdin() -> rustix::io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let nothing = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(socket)
}

struct Supervisor {
    specification: Specification,
    root: OwnedFd,
    folder: Folder,
    control: UnixListener,
    agent: OwnedFd,
    cgroups: Cgroups,
    /// Ends with the process that this one was forked from.
    first_is_gone: OwnedFd,
    /// Held until the kernel has done away with this process: whoever gets the lock then finds nothing of it.
    _held: ManuallyDrop<(Lock, Option<OwnedFd>)>,
}

impl Supervisor {
    fn new(specification: Specification, descriptors: Descriptors<OwnedFd>, first_is_gone: OwnedFd) -> Self {
        let Descriptors { root, folder, lock, control, agent, uids } = descriptors;
        let cgroups =
            Cgroups::plan(&specification.resources, specification.owner.as_str(), specification.sandbox_id.as_str());
        Self {
            specification,
            root,
            folder: Folder::handed_over(folder),
            control: UnixListener::from(control),
            agent,
            cgroups,
            first_is_gone,
            _held: ManuallyDrop::new((Lock::handed_over(lock), uids)),
        }
    }

    fn run(mut self, starter: &UnixStream) -> Result<(), Fault> {
        let control = self.control.try_clone().doing("listen to requests")?;
        let (log, agents_log) = AgentLog::new().doing("make a log for the agent")?;
        let mut watch = Watch::new(control, log, self.specification.deadline, self.specification.tether)?;
        let made = self.make(agents_log);
        let ended = match &made {
            Ok(init) => watch.until_end(init, &self.folder, starter),
            Err(fault) => Ok(End::NotMade(Box::new(fault.failure(Residue::None)))),
        };
        // Whatever went wrong, the sandbox is not left without a supervisor that knows of it.
        let end = ended.unwrap_or_else(|fault| End::NotMade(Box::new(fault.failure(Residue::None))));
        let report = self.remove(made.ok());
        if let End::NotMade(failure) = end {
            let residue = if report.complete { Residue::None } else { Residue::Partial };
            watch::answer(starter, &Answer::Failed(Box::new(failure.with_residue(residue))));
        }
        // It may still be waiting for its turn to end, on a busy machine; what is reported gone is gone.
        rustix::io::read(&self.first_is_gone, &mut [0]).doing("wait for the first process")?;
        let process = ProcessName::of(rustix::process::getpid()).doing("look at this process")?;
        watch.report(&Ended { report: report.clone(), process });
        if report.complete { Ok(()) } else { Err(std::io::Error::other(report.errors.join("; "))).doing("clean up") }
    }

    fn make(&mut self, log: OwnedFd) -> Result<Init, Fault> {
        let process = ProcessName::of(rustix::process::getpid()).doing("look at this process")?;
        let reachable = self.specification.host_network && !privileges::can_leave_abstract_sockets_alone();
        let record = |cgroups: &Cgroups| {
            let (cgroups, mut limits_unenforced) = (cgroups.paths(), cgroups.unenforced().to_vec());
            limits_unenforced.extend(reachable.then(|| ABSTRACT_SOCKETS.to_owned()));
            Record::Supervisor(SupervisorRecord { process, cgroups, limits_unenforced })
        };
        self.folder.record(&record(&self.cgroups)).doing("write the supervisor down")?;
        let planned = self.cgroups.unenforced().len();
        let joins = self.cgroups.make(&self.specification.resources).doing("make the cgroups")?;
        if planned != self.cgroups.unenforced().len() {
            self.folder.record(&record(&self.cgroups)).doing("write the supervisor down")?;
        }
        self.start(joins, log)
    }

    fn start(&self, joins: Vec<OwnedFd>, log: OwnedFd) -> Result<Init, Fault> {
        let specification = &self.specification;
        let identities = specification.first_uid.map_or(Identities::Caller, Identities::Range);
        let plan = Plan {
            hostname: specification.sandbox_id.to_string(),
            has_root: specification.first_uid.is_some(),
            host_network: specification.host_network,
            exposed: self.open_exposed()?,
        };
        let agent = self.agent.try_clone().doing("hand the agent its socket")?;
        let options = agent_options::write(specification, &agent, &joins, self.cgroups.processes_per_user())
            .doing("write the agent's options")?;
        let filters = seccomp::filters().doing("compile the system call filters")?;
        let program = rustix::fs::open(c"/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .doing("open the agent's program")?;
        let mut inherited = joins;
        inherited.push(agent);
        namespaces::start(&self.folder, identities, specification.host_network, |go, fault| Inside {
            go,
            fault,
            log,
            plan,
            filters,
            program,
            options,
            inherited,
        })
    }

    /// Root inside cannot pass folders that are root's alone outside, so with a range of ids the mounts are copied out here.
    fn open_exposed(&self) -> Result<Vec<Exposed>, Fault> {
        let copies_needed = self.specification.first_uid.is_some();
        let open = |path: &std::path::PathBuf| {
            let copy = copies_needed.then(|| mounts::copy_of(path)).transpose();
            let copy = copy.doing(format!("expose {}", path.display()))?;
            Ok(Exposed { path: path.clone(), copy })
        };
        self.specification.expose.iter().map(open).collect()
    }

    /// Ends everything and removes it. What it cannot remove stays findable, since the folder goes last.
    fn remove(&self, init: Option<Init>) -> CleanupReport {
        let mut report = CleanupReport::default();
        let id = &self.specification.sandbox_id;
        if let Some(init) = init {
            note(&mut report, "the sandbox's processes and namespaces", namespaces::end(&init.process));
        }
        for path in self.cgroups.paths() {
            note(&mut report, &format!("cgroup {}", path.display()), Cgroups::remove(&path));
        }
        if report.errors.is_empty() {
            let removed = remove_tree::remove(&self.root, id.as_str(), Some(JOURNAL));
            note(&mut report, &format!("the folder of {id}"), removed.doing(format!("remove the folder of {id}")));
        }
        report.complete = report.errors.is_empty();
        report
    }
}

fn note(report: &mut CleanupReport, what: &str, outcome: Result<(), Fault>) {
    match outcome {
        Ok(()) => report.removed.push(what.to_owned()),
        Err(fault) => {
            let source = fault.source().map(ToString::to_string).unwrap_or_default();
            report.errors.push(format!("{fault}: {source}"));
        }
    }
}

/// What the first process said that hindered it, as the contract puts it.
pub(crate) fn not_made(said: &[u8]) -> Failure {
    match serde_json::from_slice::<InsideFault>(said) {
        Ok(InsideFault { message, refused: true }) => {
            Failure::new(ErrorKind::Precondition, message).with_hint(DOCTOR).with_residue(Residue::None)
        }
        Ok(InsideFault { message, refused: false }) => Failure::new(ErrorKind::Internal, message),
        Err(_) => Failure::new(ErrorKind::Internal, "the sandbox's first process ended without a word"),
    }
}
