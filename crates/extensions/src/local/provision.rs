//! Makes a sandbox: claims its folder, fills it, and starts its supervisor.

use super::admission::{self, Plan};
use super::control;
use super::digest::digest;
use super::extension::LocalExtension;
use super::failure::{Doing, Fault};
use super::folder::{AGENT_SOCKET, CONTROL, Folder, HOME, RootFolder, TEMPORARY, WORKSPACE};
use super::handover::{Answer, Descriptors, Specification};
use super::launch;
use super::lock::Lock;
use super::process::ProcessName;
use super::record::{IntentRecord, Record};
use super::repository;
use super::root_file_system::USER_ID;
use super::teardown::{self, Evidence};
use super::uid_range::{self, UidRange};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Gid, Mode, Uid};
use sandboxer_sdk::{Call, Provision};
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Residue};
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// How often leftovers are cleared away, or somebody else's clearing is waited out, before giving up.
const TRIES: usize = 8;
/// How long an answer may be late when the call has ended, in order to state truly what is left.
const GRACE: Duration = Duration::from_secs(3);

/// A folder that is this call's alone.
struct Claim {
    folder: Folder,
    lock: Lock,
    control: UnixListener,
}

/// What a claim came to.
enum Claimed {
    Mine(Claim),
    /// It is there already, as asked.
    There,
}

/// Makes the sandbox, or finds that it was made already.
pub(crate) async fn provision(local: &LocalExtension, call: &Call, request: &Provision) -> Result<Handle, Failure> {
    let plan = admission::admit(request, local.root())?;
    call.check().map_err(|end| end.failure().with_residue(Residue::None))?;
    let nothing = |fault: Fault| fault.failure(Residue::None);
    let root = RootFolder::open_or_make(local.root()).doing("open the sandboxes' folder").map_err(nothing)?;
    let handle = handle(request, &root);
    let has_range = uid_range::available().doing("read the user id map").map_err(nothing)?;
    let claim = match claim(&root, call, request, has_range).await? {
        Claimed::There => return Ok(handle),
        Claimed::Mine(claim) => claim,
    };
    match fill_and_start(local, call, request, &plan, &root, &claim, has_range).await {
        Ok(()) => Ok(handle),
        Err(failure) if failure.residue == Residue::None => Err(failure),
        Err(failure) => Err(withdraw(call, request, &root, claim, failure).await),
    }
}

fn handle(request: &Provision, root: &RootFolder) -> Handle {
    let folder = root.path_of(&request.sandbox_id);
    Handle::minimal(&request.sandbox_id, &request.host).with("folder", folder.to_string_lossy().into_owned())
}

async fn claim(root: &RootFolder, call: &Call, request: &Provision, has_range: bool) -> Result<Claimed, Failure> {
    // Root inside has another id than root outside, and passes through its folder as anybody does.
    let mode = Mode::from_raw_mode(if has_range { 0o711 } else { 0o700 });
    for _ in 0..TRIES {
        let made = root.make(&request.sandbox_id, mode).doing("make the sandbox's folder");
        if let Some(folder) = made.map_err(|fault| fault.failure(Residue::None))? {
            return claim_new(folder).map(Claimed::Mine);
        }
        let found = root.find(&request.sandbox_id).doing("open the sandbox's folder");
        let Some(folder) = found.map_err(|fault| fault.failure(Residue::Unknown))? else { continue };
        let lock = match Lock::try_acquire(&folder) {
            Ok(lock) => lock,
            // Removed just now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                let fault = Err::<(), _>(error).doing("lock the sandbox's folder");
                return Err(fault.err().map_or_else(busy, |fault| fault.failure(Residue::Unknown)));
            }
        };
        let Some(lock) = lock else { return examine(&folder, request) };
        // Nobody works on it any more: what is there was left by an attempt that died.
        let cleared = teardown::clear_dead(root, &request.sandbox_id, folder, lock, call).await?;
        if !cleared.errors.is_empty() {
            let message = format!("an earlier attempt left something behind: {}", cleared.errors.join("; "));
            return Err(Failure::new(ErrorKind::Internal, message).with_residue(Residue::Partial));
        }
    }
    Err(busy())
}

fn busy() -> Failure {
    Failure::new(ErrorKind::Busy, "somebody else makes or removes this sandbox right now")
        .with_residue(Residue::InProgress)
}

/// The control socket listens before the lock is taken: whoever finds the lock taken always finds somebody to talk to.
fn claim_new(folder: Folder) -> Result<Claim, Failure> {
    let control = match UnixListener::bind(folder.short_path(CONTROL)) {
        Ok(control) => control,
        // Somebody cleared the folder away as soon as it was there, or is about to.
        Err(_) => return Err(busy()),
    };
    match Lock::try_acquire(&folder).and_then(|lock| Ok((lock.as_ref().map_or(Ok(false), Lock::is_current)?, lock))) {
        Ok((true, Some(lock))) => Ok(Claim { folder, lock, control }),
        _ => Err(busy()),
    }
}

/// Somebody supervises it, or makes it right now.
fn examine(folder: &Folder, request: &Provision) -> Result<Claimed, Failure> {
    let journal =
        folder.journal().doing("read the sandbox's journal").map_err(|fault| fault.failure(Residue::Unknown))?;
    let Some(intent) = journal.intent else { return Err(busy()) };
    if intent.digest != digest(request) {
        let message = format!("a sandbox `{}` exists that was made from other inputs", request.sandbox_id);
        return Err(Failure::new(ErrorKind::Conflict, message).with_residue(Residue::Present));
    }
    if journal.supervisor.is_some() { Ok(Claimed::There) } else { Err(busy()) }
}

async fn fill_and_start(
    local: &LocalExtension,
    call: &Call,
    request: &Provision,
    plan: &Plan,
    root: &RootFolder,
    claim: &Claim,
    has_range: bool,
) -> Result<(), Failure> {
    let partial = |fault: Fault| fault.failure(Residue::Partial);
    claim.folder.record(&Record::Intent(intent(call, request))).doing("write the intent down").map_err(partial)?;
    let uids = if has_range { Some(take_range(root, request)?) } else { None };
    make_folders(&claim.folder, uids.as_ref()).map_err(partial)?;
    if let Some(source) = &plan.source {
        let first_uid = uids.as_ref().map(|uids| uids.first);
        repository::put(source, call, root, &claim.folder, claim.control.as_fd(), first_uid).await?;
    }
    let agent = UnixListener::bind(claim.folder.short_path(AGENT_SOCKET)).doing("make the agent's socket");
    let agent = agent.map_err(partial)?;
    let specification = specify(call, request, plan, uids.as_ref());
    let descriptors = Descriptors {
        root: root.as_fd(),
        folder: claim.folder.as_fd(),
        lock: claim.lock.as_fd(),
        control: claim.control.as_fd(),
        agent: agent.as_fd(),
        uids: uids.as_ref().map(|uids| uids.lock.as_fd()),
    };
    let starting = launch::start(local.executable(), &specification, &descriptors);
    let starting = starting.doing(format!("start {} as supervisor", local.executable().display())).map_err(partial)?;
    tokio::select! {
        answer = starting.answer() => understand(answer.doing("hear from the supervisor").map_err(partial)?),
        end = call.ended() => Err(end.failure().with_residue(Residue::InProgress)),
    }
}

fn intent(call: &Call, request: &Provision) -> IntentRecord {
    let mut labels = call.labels.clone();
    labels.insert("sandboxer.owner".to_owned(), call.owner.to_string());
    labels.insert("sandboxer.id".to_owned(), request.sandbox_id.to_string());
    IntentRecord {
        sandbox_id: request.sandbox_id.clone(),
        owner: call.owner.clone(),
        host: HostId::localhost(),
        labels,
        created_at: request.expires_at.checked_sub(request.ttl.as_duration()).unwrap_or(request.expires_at),
        digest: digest(request),
    }
}

fn take_range(root: &RootFolder, request: &Provision) -> Result<UidRange, Failure> {
    let taken = uid_range::take(root, &request.sandbox_id).doing("take a range of user ids");
    taken.map_err(|fault| fault.failure(Residue::Partial))?.ok_or_else(|| {
        Failure::new(ErrorKind::Exhausted, "every range of user ids is in use by a sandbox of this machine")
            .with_residue(Residue::Partial)
    })
}

/// What the sandbox keeps on disk. The user's folders are made by their owner's number, since the user is not there yet.
fn make_folders(folder: &Folder, uids: Option<&UidRange>) -> Result<(), Fault> {
    for (name, mode, id) in [(WORKSPACE, 0o755, USER_ID), (HOME, 0o750, USER_ID), (TEMPORARY, 0o1777, 0)] {
        let what = || format!("make the sandbox's folder `{name}`");
        let mode = Mode::from_raw_mode(mode);
        rustix::fs::mkdirat(folder, name, mode).doing(what())?;
        // As the umask may have taken some of the mode away.
        rustix::fs::chmodat(folder, name, mode, AtFlags::empty()).doing(what())?;
        if let Some(first) = uids.map(|uids| uids.first) {
            let (user, group) = (Uid::from_raw(first + id), Gid::from_raw(first + id));
            rustix::fs::chownat(folder, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW).doing(what())?;
        }
    }
    Ok(())
}

fn specify(call: &Call, request: &Provision, plan: &Plan, uids: Option<&UidRange>) -> Specification {
    Specification {
        sandbox_id: request.sandbox_id.clone(),
        owner: call.owner.clone(),
        first_uid: uids.map(|uids| uids.first),
        host_network: plan.host_network,
        resources: request.profile.resources.clone(),
        expose: plan.expose.clone(),
        workdir: plan.workdir.clone(),
        environment: request.profile.env.clone(),
        deadline: after_boot(request.ttl.as_duration()),
        tether: request.tether.map(ProcessName::from),
    }
}

/// That much from now, in nanoseconds after boot: a clock that neither jumps nor stops while the machine sleeps.
pub(crate) fn after_boot(span: Duration) -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let now = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0));
    u64::try_from(now.saturating_add(span).as_nanos()).unwrap_or(u64::MAX)
}

fn understand(answer: Option<Answer>) -> Result<(), Failure> {
    match answer {
        Some(Answer::Running) => Ok(()),
        Some(Answer::Failed(failure)) => Err(*failure),
        None => Err(Failure::new(ErrorKind::Internal, "the supervisor ended without a word")),
    }
}

/// Takes back what a failed attempt made, and states what is left. A supervisor that was started is asked to end.
async fn withdraw(call: &Call, request: &Provision, root: &RootFolder, claim: Claim, failure: Failure) -> Failure {
    let Claim { folder, lock, control } = claim;
    // From here on only a supervisor can hear who asks for the end.
    drop(control);
    let tail = folder.log_tail();
    let ended = tokio::time::timeout(GRACE, async {
        control::ask_to_end(&folder).await?;
        // The lock is this call's too, so it says nothing about the supervisor; its process does.
        Evidence::of(&folder)?.supervisor_ended().await
    });
    let failure = match ended.await {
        Ok(Ok(())) => match teardown::clear_dead(root, &request.sandbox_id, folder, lock, &with_grace(call)).await {
            Ok(report) if report.errors.is_empty() => failure.with_residue(Residue::None),
            _ => failure.with_residue(Residue::Partial),
        },
        _ => failure.with_residue(Residue::InProgress),
    };
    if tail.is_empty() || failure.kind != ErrorKind::Internal { failure } else { failure.with_hint(tail) }
}

/// The call's own time may be up; clearing away gets a little of its own.
fn with_grace(call: &Call) -> Call {
    let mut call = call.clone();
    call.deadline = tokio::time::Instant::now() + GRACE;
    call.cancel = tokio_util::sync::CancellationToken::new();
    call
}
