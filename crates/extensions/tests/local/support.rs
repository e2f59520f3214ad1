//! What the tests have in common.

use crate::tiers;
use libtest_mimic::Trial;
use sandboxer_extensions::local::{LocalExtension, LocalSettings};
use sandboxer_reach::{AgentSession, ExecEvent, ExecRequest, Session, SessionOptions, UnixSocket};
use sandboxer_sdk::host::{HostLimits, HostedExtension};
use sandboxer_sdk::{Call, Clock, Provision, SandboxExtension, SystemClock, Teardown, TeardownReason};
use sandboxer_types::{CleanupReport, Handle, HostId, Object, OwnerId, Profile, SandboxId, TimeSpan};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A test of an asynchronous function.
pub(crate) fn trial<F: Future<Output = ()> + Send + 'static>(name: &str, test: fn() -> F) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    })
}

/// A state directory of a test's own, and the extension on it.
pub(crate) struct Lab {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) extension: Arc<dyn SandboxExtension>,
    pub(crate) owner: OwnerId,
    pub(crate) root: PathBuf,
}

/// The extension as it is, or as it is when it is spoken to through the codec: nothing may differ.
fn extension(settings: LocalSettings) -> Arc<dyn SandboxExtension> {
    let local = Arc::new(LocalExtension::new(settings));
    if !tiers::is_through_the_codec() {
        return local;
    }
    let id = "ext.local".parse().expect("valid");
    Arc::new(HostedExtension::in_process(id, local, HostLimits::default(), None))
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Lab {
    pub(crate) fn new() -> Self {
        Self::at(|folder| folder.join("local"))
    }

    pub(crate) fn at(root: impl FnOnce(&Path) -> PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let owner: OwnerId = format!("own{}-{number}", std::process::id()).parse().expect("valid");
        let executable = PathBuf::from("/proc/self/exe");
        let root = root(folder.path());
        let settings = LocalSettings { root: root.clone(), executable, owner: owner.clone() };
        Self { folder, extension: extension(settings), owner, root }
    }

    pub(crate) fn call(&self, id: &SandboxId) -> Call {
        Call::detached(id.clone(), self.owner.clone())
    }

    pub(crate) async fn make(&self, id: &str) -> Sandbox<'_> {
        self.make_from(request(id)).await
    }

    pub(crate) async fn make_from(&self, request: Provision) -> Sandbox<'_> {
        let id = request.sandbox_id.clone();
        let handle = self.extension.provision(&self.call(&id), &request).await.expect("is made");
        handle.check(&id, &request.host).expect("a handle of the contract's");
        Sandbox { lab: self, id, handle }
    }

    pub(crate) async fn remove(&self, id: &SandboxId) -> CleanupReport {
        self.extension.teardown(&self.call(id), &removal(id)).await.expect("is removed")
    }

    /// The same sandboxes, made by another program.
    pub(crate) fn with_executable(&self, executable: &Path) -> Arc<dyn SandboxExtension> {
        let (root, owner) = (self.root.clone(), self.owner.clone());
        extension(LocalSettings { root, executable: executable.to_owned(), owner })
    }

    /// Nothing is left in the folder of all sandboxes.
    pub(crate) fn assert_empty(&self) {
        let left = std::fs::read_dir(&self.root);
        let left: Vec<_> = left.into_iter().flatten().map(|entry| entry.expect("listed").file_name()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

/// A sandbox of a test.
pub(crate) struct Sandbox<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) id: SandboxId,
    pub(crate) handle: Handle,
}

impl Sandbox<'_> {
    pub(crate) fn folder(&self) -> PathBuf {
        PathBuf::from(self.handle.text("folder").expect("a folder"))
    }

    pub(crate) async fn session(&self) -> AgentSession {
        let call = self.lab.call(&self.id);
        let reachability = self.lab.extension.wait_ready(&call, &self.handle).await.expect("is ready");
        let agent = reachability.agent.expect("an agent");
        let path = agent.strip_prefix("unix:").expect("a socket");
        AgentSession::connect(&UnixSocket(path.into()), SessionOptions::default()).await.expect("connects")
    }

    /// Runs a shell script inside. Returns its status and all it wrote.
    pub(crate) async fn run(&self, script: &str) -> (i32, String) {
        run(&self.session().await, ExecRequest::new(["/bin/sh", "-c", script])).await
    }

    pub(crate) async fn run_as(&self, user: &str, script: &str) -> (i32, String) {
        let mut request = ExecRequest::new(["/bin/sh", "-c", script]);
        request.user = Some(user.to_owned());
        run(&self.session().await, request).await
    }

    /// A process that the journal names: `supervisor` or `init`.
    pub(crate) fn recorded(&self, name: &str) -> i32 {
        recorded(&self.folder(), name).expect("a process")
    }

    pub(crate) fn recorded_groups(&self) -> Vec<String> {
        let record = record(&self.folder(), "supervisor").expect("is written down");
        serde_json::from_value(record["cgroups"].clone()).expect("paths")
    }

    pub(crate) fn process(&self, name: &str) -> OwnedFd {
        let pid = rustix::process::Pid::from_raw(self.recorded(name)).expect("a process");
        rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("lives")
    }

    pub(crate) fn supervisor(&self) -> OwnedFd {
        self.process("supervisor")
    }

    pub(crate) async fn remove(&self) -> CleanupReport {
        self.lab.remove(&self.id).await
    }
}

pub(crate) async fn run(session: &AgentSession, request: ExecRequest) -> (i32, String) {
    let mut execution = session.exec(request).await.expect("starts");
    let mut output = Vec::new();
    while let Some(event) = execution.next_event().await.expect("goes on") {
        if let ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) = event {
            output.extend_from_slice(&bytes);
        }
    }
    let status = execution.wait().await.expect("ends");
    (status.shell_code(), String::from_utf8_lossy(&output).into_owned())
}

/// What a sandbox's journal says last of something.
fn record(folder: &Path, name: &str) -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("journal")).ok()?;
    let records = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    records.filter_map(|record| record.get(name).cloned()).next_back()
}

/// A process that a sandbox's journal names.
pub(crate) fn recorded(folder: &Path, name: &str) -> Option<i32> {
    let record = record(folder, name)?;
    let process = record.get("process").unwrap_or(&record);
    process["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
}

/// Waits until the process of a descriptor has ended.
pub(crate) async fn ended(process: OwnedFd) {
    let polled = tokio::task::spawn_blocking(move || {
        let limit = rustix::time::Timespec { tv_sec: 20, tv_nsec: 0 };
        let mut descriptors = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut descriptors, Some(&limit))
    });
    assert_eq!(polled.await.expect("runs"), Ok(1), "it did not end");
}

pub(crate) fn profile(text: &str) -> Profile {
    let mut members: Object = serde_json::from_str(text).expect("JSON");
    members.entry("id").or_insert("profile.test".into());
    serde_json::from_value(members.into()).expect("a profile")
}

pub(crate) fn request(id: &str) -> Provision {
    request_with(id, "{}")
}

pub(crate) fn request_with(id: &str, profile_text: &str) -> Provision {
    let ttl = TimeSpan::seconds(600);
    Provision {
        sandbox_id: id.parse().expect("valid"),
        host: HostId::localhost(),
        profile: profile(profile_text),
        inputs: Object::new(),
        expires_at: SystemClock.now() + ttl.as_duration(),
        ttl,
        tether: None,
        draft: None,
    }
}

/// What is always known of a sandbox.
pub(crate) fn removal(id: &SandboxId) -> Teardown {
    let host = HostId::localhost();
    Teardown { sandbox_id: id.clone(), handle: Handle::minimal(id, &host), host, reason: TeardownReason::Requested }
}
